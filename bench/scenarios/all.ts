/** Every scenario, in the order in which a run takes them. */
import type { Scenario } from '../contract.ts'
import { actorDensity } from './actor-density.ts'
import { actors } from './actors.ts'
import { cellCrash } from './cell-crash.ts'
import { channels } from './channels.ts'
import { coldRequest } from './cold-request.ts'
import { density } from './density.ts'
import { diResolve } from './di-resolve.ts'
import { eventDurable } from './event-durable.ts'
import { eventDurableNats } from './event-durable-nats.ts'
import { eventGuest } from './event-guest.ts'
import { eventHost } from './event-host.ts'
import { fetchScenario } from './fetch.ts'
import { honoApp } from './hono-app.ts'
import { httpEcho } from './http-echo.ts'
import { httpHello } from './http-hello.ts'
import { httpStream } from './http-stream.ts'
import { kv } from './kv.ts'
import { manyTenants } from './many-tenants.ts'
import { neighbour } from './neighbour.ts'
import { quickjs } from './quickjs.ts'
import { shares } from './shares.ts'
import { stealing } from './stealing.ts'
import { twoHosts } from './two-hosts.ts'
import { webApi } from './web-api.ts'
import { workers } from './workers.ts'

export const SCENARIOS: readonly Scenario[] = [
  ...httpHello,
  httpEcho,
  httpStream,
  webApi,
  honoApp,
  ...manyTenants,
  ...coldRequest,
  density,
  ...quickjs,
  ...kv,
  fetchScenario,
  ...actors,
  actorDensity,
  ...channels,
  eventHost,
  eventGuest,
  eventDurable,
  eventDurableNats,
  diResolve,
  workers,
  ...neighbour,
  shares,
  stealing,
  cellCrash,
  ...twoHosts,
]
