/** Part of the composition root: the host's own tasks, by the configuration and counted. */
import { availableParallelism } from 'node:os'
import { createHostTasks, type HostTasks } from '../async/host-tasks.ts'
import { createThreadPool } from '../async/thread-pool.ts'
import type { Config } from './config.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

export function createTasks({ tasks }: Pick<Config, 'tasks'>, metrics: Metrics, log: Log): HostTasks {
  const { threads, concurrency, queueLength } = tasks
  const host = createHostTasks(
    {
      threads: createThreadPool(threads === 0 ? availableParallelism() : threads, (error) =>
        log.error('thread failed', { message: error instanceof Error ? error.stack : String(error) }),
      ),
      onEnd: (outcome) => metrics.taskEnded('host', outcome),
    },
    { concurrency, queueLength },
  )
  metrics.observe({ tasks: () => host.counts() })
  return host
}
