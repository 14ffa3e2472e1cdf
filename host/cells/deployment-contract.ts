/** A deployment that can be called: what it needs, and what may be asked of it. */
import type { Limits } from '../../sandbox/protocol/limits.ts'
import type { Call } from './call.ts'
import type { Cell, LoadPayload } from './cell.ts'
import type { Perform } from './guest-calls.ts'
import type { Home } from './home.ts'
import type { ReplicaEnd } from './replica.ts'
import type { Description } from './start-outcome.ts'

export interface LiveDeploymentDeps {
  readonly limits: Limits
  /** An earlier load of the same version waited for nothing. */
  readonly startsAtOnce?: boolean
  /** The tenant's cell of that number; each replica has another. */
  readonly acquireCell: (index: number) => Promise<Cell> | Cell
  /** Replicas at most, beside `limits.replicas`; as many as the process may use cores, if absent. */
  readonly mostReplicas?: number | undefined
  /** A replica that the others could do without goes after this (milliseconds). */
  readonly calmMs: number
  readonly onSteal?: ((count: number) => void) | undefined
  /** Fetches what a load needs; synchronous when it is at hand. `armed`: with the engine's timer. */
  readonly prepare: (armed: boolean) => Promise<LoadPayload> | LoadPayload
  /** Carries out what the guest asks of its capabilities. */
  readonly perform: Perform
  readonly onLog: (level: number, text: string) => void
  /**
   * A replica is to be given up, not for a crash: what lives there is to leave. Awaited, within a deadline; until then
   * `home` takes pinned calls.
   */
  readonly onRest?: ((home: Home) => Promise<void>) | undefined
  /** The isolate ended against its will. */
  readonly onFault: (end: ReplicaEnd, pauseMs: number) => void
}

export interface LiveDeployment {
  /** Synchronous up to the cell's next batch. A call that cannot be taken gets `failed` before this returns. */
  dispatch(call: Call): void
  /** The replicas that serve and stay: where things may settle. */
  homes(): readonly Home[]
  /** Loads now if nothing is loaded; resolves when calls can be served, rejects with a VELA_DEPLOY_START_* error. */
  start(): Promise<Description>
  /** No new calls; resolves when what is in flight has ended or `deadlineMs` has passed, and the guest has stopped. */
  drain(reason: string, deadlineMs: number): Promise<void>
  /** Gives up all isolates if nothing needs them; the next call brings another. True when it does. */
  hibernate(): boolean
  /** Fails what is over its wall limit, and sees whether replicas are too few or too many. Called every few milliseconds. */
  tick(nowMs: number): void
  /** Its last load waited for nothing. */
  readonly startsAtOnce: boolean
  readonly state: 'loaded' | 'idle' | 'paused'
  readonly inFlight: number
  /** Isolates that serve. */
  readonly replicas: number
  readonly queueLength: number
  /** Monotonic milliseconds. */
  readonly lastUsedMs: number
}
