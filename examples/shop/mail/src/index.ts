/**
 * Writes to customers. A letter has the order's id, so an event that comes again finds that it has been written. Only a host that dies
 * between the two steps has it delivered twice: what goes out of the system cannot be undone with it.
 */
import {
  binding,
  container,
  provide,
  token,
  type EventMessage,
  type KvNamespace,
  type MethodStub,
} from '@vela/guest-sdk'
import type { Facts, Order, Postman } from '../../facts.ts'

const LETTERS = binding<KvNamespace>('LETTERS')
const POSTMAN = binding<MethodStub<Postman>>('POSTMAN', { deadlineMs: 2000 })
const OFFICE = token<Office>('office')

class Office {
  readonly #letters: KvNamespace
  readonly #postman: MethodStub<Postman>
  constructor(letters: KvNamespace, postman: MethodStub<Postman>) {
    this.#letters = letters
    this.#postman = postman
  }

  async write({ customer, id }: Order, subject: string): Promise<void> {
    const key = `${customer}/${id}`
    if ((await this.#letters.get(key)) !== null) return
    await this.#postman.deliver(customer, subject)
    await this.#letters.put(key, subject)
  }

  async to(customer: string): Promise<readonly (string | null)[]> {
    const { keys } = await this.#letters.list({ prefix: `${customer}/`, limit: 100 })
    return [...(await this.#letters.get(keys.map(({ name }) => name))).values()]
  }
}

const app = container([provide(OFFICE, { useClass: Office, inject: [LETTERS, POSTMAN], scope: 'request' })])

export const onStock = app.inject(
  [OFFICE],
  async (office, { subject, data }: EventMessage<Facts['stock.reserved'] | Facts['stock.short']>) => {
    const isShort = subject === 'stock.short' && 'sku' in data
    await office.write(data, isShort ? `We are out of ${data.sku}` : 'Your order is on its way')
  },
)

export default {
  fetch: app.inject([OFFICE], async (office, request: Request) => {
    const customer = /^\/letters\/([a-z0-9-]{1,64})$/.exec(new URL(request.url).pathname)?.[1]
    if (customer === undefined) return Response.json({ error: 'GET /letters/CUSTOMER' }, { status: 404 })
    return Response.json({ letters: await office.to(customer) })
  }),
}
