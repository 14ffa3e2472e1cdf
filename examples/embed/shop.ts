/** A Node program that lets its customers extend it: it loads a plugin and calls one of its functions. */
import { provide, Runtime, token } from 'vela-runtime'

const SPEAK = token<(text: string) => void>('speak')

const runtime = await Runtime.create(
  { gateway: { port: 0 }, admin: { port: 0 }, data: null, log: { level: 'warn' } },
  { providers: [provide(SPEAK, { useFactory: () => (text) => console.log(text) })] },
)
await runtime.registerService('clock', {
  inject: [SPEAK],
  useFactory: (speak) => ({
    onStart: () => speak('the host service starts first'),
    onStop: () => speak('the host service stops last'),
  }),
})
await runtime.deploy({ tenant: 'acme', path: new URL('../quote-plugin', import.meta.url).pathname })
const { gateway } = await runtime.start()
console.log(`gateway at ${gateway}`)

const quote = await runtime.invoke('acme/quote', 'quote', [
  [
    { sku: 'tea', quantity: 3 },
    { sku: 'hat', quantity: 1 },
  ],
])
console.log('quote:', quote)

await runtime.stop()
