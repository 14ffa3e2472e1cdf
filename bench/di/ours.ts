/** The graph in the host's own container. */
import { createContainer } from '../../host/di/container.ts'
import { provide } from '../../host/di/provider.ts'
import { token, type Token } from '../../host/di/token.ts'
import * as graph from './graph.ts'

/** One request: resolves to whether it was right. */
export type Request = () => Promise<boolean>

export async function createRequests(): Promise<Request> {
  const CONFIG = token<graph.Config>('config')
  const CLOCK = token<graph.Clock>('clock')
  const POOL = token<graph.Pool>('pool')
  const METRICS = token<graph.Metrics>('metrics')
  const TRACER = token<graph.Tracer>('tracer')
  const IDS = token<graph.Ids>('ids')
  const CONNECTION = token<graph.Connection>('connection')
  const SESSION = token<graph.Session>('session')
  const REPOSITORY = token<graph.Repository>('repository')
  const ORDERS: Token<graph.Orders> = token('orders')
  const container = createContainer({
    providers: [
      provide(CONFIG, { useClass: graph.Config }),
      provide(CLOCK, { useClass: graph.Clock }),
      provide(POOL, { useClass: graph.Pool, inject: [CONFIG] }),
      provide(METRICS, { useClass: graph.Metrics, inject: [CLOCK] }),
      provide(TRACER, { useClass: graph.Tracer, inject: [CLOCK, METRICS], scope: 'transient' }),
      provide(IDS, { useClass: graph.Ids, inject: [CONFIG], scope: 'transient' }),
      provide(CONNECTION, {
        useClass: graph.Connection,
        inject: [POOL],
        scope: 'request',
        dispose: (connection) => connection.close(),
      }),
      provide(SESSION, {
        useClass: graph.Session,
        inject: [TRACER],
        scope: 'request',
        dispose: (session) => session.end(),
      }),
      provide(REPOSITORY, { useClass: graph.Repository, inject: [CONNECTION, SESSION], scope: 'request' }),
      provide(ORDERS, {
        useClass: graph.Orders,
        inject: [REPOSITORY, SESSION, IDS, CLOCK],
        scope: 'request',
      }),
    ],
  })
  await container.make()
  return async () => {
    const scope = container.scope('request')
    const right = scope.resolve(ORDERS).place()
    await scope.dispose()
    return right
  }
}
