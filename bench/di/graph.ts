/**
 * The graph of `di-resolve`: what a request may need, ten things of all scopes, the same classes for both containers. Four live
 * as long as the host, four as long as the request, two are made for each who asks; two of the request's are ended with it.
 */

export class Config {
  readonly prefix = 'order-'
}
export class Clock {
  #ticks = 0
  now(): number {
    return ++this.#ticks
  }
}
export class Pool {
  readonly config: Config
  open = 0
  constructor(config: Config) {
    this.config = config
  }
}
export class Metrics {
  readonly clock: Clock
  ended = 0
  constructor(clock: Clock) {
    this.clock = clock
  }
}
/** Transient. */
export class Tracer {
  readonly clock: Clock
  readonly metrics: Metrics
  constructor(clock: Clock, metrics: Metrics) {
    this.clock = clock
    this.metrics = metrics
  }
}
/** Transient. */
export class Ids {
  readonly config: Config
  constructor(config: Config) {
    this.config = config
  }
  next(clock: Clock): string {
    return `${this.config.prefix}${clock.now()}`
  }
}
/** Of the request; ended with it. */
export class Connection {
  readonly pool: Pool
  constructor(pool: Pool) {
    this.pool = pool
    pool.open++
  }
  close(): void {
    this.pool.open--
  }
}
/** Of the request; ended with it. */
export class Session {
  readonly tracer: Tracer
  constructor(tracer: Tracer) {
    this.tracer = tracer
  }
  end(): void {
    this.tracer.metrics.ended++
  }
}
/** Of the request. */
export class Repository {
  readonly connection: Connection
  readonly session: Session
  constructor(connection: Connection, session: Session) {
    this.connection = connection
    this.session = session
  }
}
/** Of the request. */
export class Orders {
  readonly repository: Repository
  readonly session: Session
  readonly ids: Ids
  readonly clock: Clock
  constructor(repository: Repository, session: Session, ids: Ids, clock: Clock) {
    this.repository = repository
    this.session = session
    this.ids = ids
    this.clock = clock
  }
  /** Whether it was put together as it must be. */
  place(): boolean {
    const { repository, session } = this
    return (
      repository.session === session &&
      repository.connection.pool.open === 1 &&
      this.ids.next(this.clock) !== ''
    )
  }
}
