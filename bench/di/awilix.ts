/** The graph in awilix alone, in its default mode (a factory takes from the cradle what it names), which is also its quickest here. */
import { asFunction, createContainer } from 'awilix'
import * as graph from './graph.ts'
import type { Request } from './ours.ts'

interface Cradle {
  readonly config: graph.Config
  readonly clock: graph.Clock
  readonly pool: graph.Pool
  readonly metrics: graph.Metrics
  readonly tracer: graph.Tracer
  readonly ids: graph.Ids
  readonly connection: graph.Connection
  readonly session: graph.Session
  readonly repository: graph.Repository
  readonly orders: graph.Orders
}

export function createRequests(): Request {
  const container = createContainer<Cradle>()
  container.register({
    config: asFunction(() => new graph.Config()).singleton(),
    clock: asFunction(() => new graph.Clock()).singleton(),
    pool: asFunction(({ config }: Cradle) => new graph.Pool(config)).singleton(),
    metrics: asFunction(({ clock }: Cradle) => new graph.Metrics(clock)).singleton(),
    tracer: asFunction(({ clock, metrics }: Cradle) => new graph.Tracer(clock, metrics)).transient(),
    ids: asFunction(({ config }: Cradle) => new graph.Ids(config)).transient(),
    connection: asFunction(({ pool }: Cradle) => new graph.Connection(pool))
      .scoped()
      .disposer((connection) => connection.close()),
    session: asFunction(({ tracer }: Cradle) => new graph.Session(tracer))
      .scoped()
      .disposer((session) => session.end()),
    repository: asFunction(
      ({ connection, session }: Cradle) => new graph.Repository(connection, session),
    ).scoped(),
    orders: asFunction(
      ({ repository, session, ids, clock }: Cradle) => new graph.Orders(repository, session, ids, clock),
    ).scoped(),
  })
  return async () => {
    const scope = container.createScope()
    const right = scope.resolve('orders').place()
    await scope.dispose()
    return right
  }
}
