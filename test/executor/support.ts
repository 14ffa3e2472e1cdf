/** One deployment on real cells, without the services and the gateway above it: replicas as the host's executor has them. */
import { setInterval } from 'node:timers'
import { createCellPool, type CellPool } from '../../host/cells/cell-pool.ts'
import type { Cell } from '../../host/cells/cell.ts'
import type { Home } from '../../host/cells/home.ts'
import { createLiveDeployment, type LiveDeployment } from '../../host/cells/live-deployment.ts'
import type { LiveDeploymentDeps } from '../../host/cells/deployment-contract.ts'
import { parseConfig, type ConfigInput } from '../../host/core/config.ts'
import { createLog } from '../../host/core/log.ts'
import { createMetrics } from '../../host/core/metrics.ts'
import type { JsonValue } from '../../host/registry/types.ts'
import { createMethodCall } from '../../host/services/method-call.ts'
import { DEFAULT_LIMITS, type Limits } from '../../sandbox/protocol/limits.ts'

export interface TestCells extends AsyncDisposable {
  readonly pool: CellPool
  deploy(source: string, options?: DeployOptions): TestDeployment
}

export interface DeployOptions extends Partial<Omit<LiveDeploymentDeps, 'limits'>> {
  readonly tenant?: string
  readonly limits?: Partial<Limits>
}

export interface TestDeployment {
  readonly live: LiveDeployment
  /** Calls that replicas took over from siblings. */
  readonly stolen: number
  /** Cells by the number of the replica that asked. */
  readonly pids: ReadonlyMap<number, number>
  call(method: string, args?: JsonValue[], options?: CallOptions): Promise<JsonValue | undefined>
}

export interface CallOptions {
  readonly affinity?: string
  /** For this replica alone. */
  readonly home?: Home
}

const TICK_MS = 25

export async function startCells(cells: ConfigInput['cells'] = {}): Promise<TestCells> {
  const config = parseConfig({ data: null, log: { level: 'silent' }, cells: { spares: 0, ...cells } })
  const pool = await createCellPool({ config, log: createLog(config.log), metrics: createMetrics() })
  const lives = new Set<LiveDeployment>()
  const ticker = setInterval(() => {
    for (const live of lives) live.tick(performance.now())
  }, TICK_MS)
  return {
    pool,
    deploy(source, options = {}) {
      const deployment = deployOn(pool, source, options)
      lives.add(deployment.live)
      return deployment
    },
    async [Symbol.asyncDispose]() {
      clearInterval(ticker)
      await pool.close()
    },
  }
}

function deployOn(
  pool: CellPool,
  source: string,
  { tenant = 't', ...options }: DeployOptions,
): TestDeployment {
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const pids = new Map<number, number>()
  let stolen = 0
  let seed = 0
  const config = (): string =>
    JSON.stringify({
      guest: {
        nowMs: Date.now(),
        seed: (++seed).toString(16).padStart(32, '0'),
        timers: limits.timers,
        responseBodyBytes: limits.responseBodyBytes,
        socketMessageBytes: limits.socketMessageBytes,
        env: {},
        capabilities: [],
      },
      engine: 'v8',
      memoryMb: limits.memoryMb,
      startupMs: limits.startupMs,
    })
  const live = createLiveDeployment({
    mostReplicas: limits.replicas,
    calmMs: 60_000,
    prepare: () => ({ config: config(), source: Buffer.from(source), codeCache: undefined }),
    perform: () => ({}),
    onLog: () => undefined,
    onFault: () => undefined,
    ...options,
    limits,
    acquireCell: (index) => {
      const note = (cell: Cell): Cell => {
        pids.set(index, cell.pid)
        return cell
      }
      const given = pool.supervisor.acquire(tenant, index)
      return given instanceof Promise ? given.then(note) : note(given)
    },
    onSteal: (count) => {
      stolen += count
    },
  })
  return {
    live,
    pids,
    get stolen() {
      return stolen
    },
    async call(method, args = [], { affinity, home } = {}) {
      const { call, result } = createMethodCall(method, args, {
        requestId: 'r',
        mapStack: (stack) => stack,
        affinity,
      })
      if (home === undefined) live.dispatch(call)
      else home.dispatch(call)
      return await result
    },
  }
}
