/** What a handler that uses the web platform costs: Request, URL, Headers and JSON, made and read in one turn. */
import type { Running, Scenario } from '../contract.ts'
import { guest } from '../guests.ts'
import { runWrk } from '../load/wrk.ts'
import { verifyJson } from './verify.ts'

const CONNECTIONS = 64
const PATH = '/orders/42?limit=5&tag=new&tag=gift%20card'
const ORDER = {
  id: 42,
  customer: { name: 'Ada Lovelace', city: 'London' },
  items: Array.from({ length: 4 }, (_, index) => ({ sku: `item-${index}`, price: 5 + index, count: 2 })),
}
const BODY = JSON.stringify(ORDER)
const ANSWER = {
  method: 'PUT',
  path: '/v1/orders/42?limit=5',
  vary: 'accept, origin',
  order: { ...ORDER, tags: ['new', 'gift card'], total: 52 },
}

export const webApi: Scenario = {
  name: 'web-api',
  title: `Request, URL, Headers and JSON, ${CONNECTIONS} connections`,
  contenders: ['vela', 'workerd'],
  primary: 'requestsPerSecond',
  goals: [{ metric: 'requestsPerSecond', peer: 'workerd', relation: 'at-least', bound: 2.5 }],
  start: {},
  freshEachRound: false,
  guests: () => [guest('web-api')],
  prepare: (running) => verifyJson(running, url(running), 200, ANSWER, BODY),
  round: (running, { seconds }) =>
    runWrk({ urls: [url(running)], connections: CONNECTIONS, seconds, method: 'POST', body: BODY }),
}

const url = (running: Running): string => running.url('bench', 'web-api') + PATH
