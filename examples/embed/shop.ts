/** A Node program that lets its customers extend it: it loads a plugin and calls one of its functions. */
import { Runtime } from 'vela-runtime'

const runtime = await Runtime.create({
  gateway: { port: 0 },
  admin: { port: 0 },
  data: null,
  log: { level: 'warn' },
})
await runtime.registerService('clock', {
  onStart: () => console.log('the host service starts first'),
  onStop: () => console.log('the host service stops last'),
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
