/**
 * Every error that Vela itself raises is a row of this table; docs/errors.md equals it by test.
 * `exposed` says whether the message may be shown to a client of the gateway; when false the client sees only
 * the title. `retryable` says whether the same request may succeed later.
 */
import type { ErrorCode } from './error-codes.ts'

export interface ErrorRow {
  readonly status: number
  readonly retryable: boolean
  readonly exposed: boolean
  readonly title: string
}

const row = (status: number, retryable: boolean, exposed: boolean, title: string): ErrorRow => ({
  status,
  retryable,
  exposed,
  title,
})

export const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = {
  VELA_ROUTE_NOT_FOUND: row(404, false, true, 'No service answers at this address'),
  VELA_SERVICE_NOT_FOUND: row(404, false, true, 'There is no such service'),
  VELA_TENANT_NOT_FOUND: row(404, false, true, 'There is no such tenant'),
  VELA_VERSION_NOT_FOUND: row(404, false, true, 'There is no such version'),
  VELA_SECRET_NOT_FOUND: row(404, false, true, 'There is no such secret'),
  VELA_METHOD_NOT_FOUND: row(404, false, true, 'The service exports no such method'),
  VELA_SCHEDULE_NOT_FOUND: row(404, false, true, 'The service has no such schedule'),
  VELA_SCHEDULE_RUNNING: row(409, true, true, 'The schedule is running already'),

  VELA_GATEWAY_BAD_REQUEST: row(400, false, true, 'The request is malformed'),
  VELA_GATEWAY_BODY_TOO_LARGE: row(413, false, true, 'The request body is larger than this service accepts'),
  VELA_GATEWAY_HEADERS_TOO_LARGE: row(431, false, true, 'The request headers are too large'),
  VELA_GATEWAY_TIMEOUT: row(408, true, true, 'The request did not arrive in time'),
  VELA_GATEWAY_DRAINING: row(503, true, true, 'This host is shutting down'),
  VELA_GATEWAY_INTERNAL: row(500, true, false, 'The host failed to answer'),

  VELA_TENANT_QUOTA_EXCEEDED: row(429, true, true, 'This service has reached its quota'),
  VELA_TENANT_EXISTS: row(409, false, true, 'This tenant exists already'),
  VELA_TENANT_NOT_EMPTY: row(409, false, true, 'This tenant still has services'),

  VELA_CELL_LOST: row(502, true, true, 'The process that served this request ended'),
  VELA_CELL_OVERLOADED: row(503, true, true, 'This service has too many requests waiting'),
  VELA_CELL_START_FAILED: row(503, true, true, 'A process for this tenant could not be started'),

  VELA_TURN_EXCEEDED_CPU: row(503, false, true, 'The service used more CPU time than it may'),
  VELA_TURN_EXCEEDED_MEMORY: row(503, false, true, 'The service used more memory than it may'),
  VELA_TURN_EXCEEDED_WALL: row(504, true, true, 'The service did not answer in time'),
  VELA_TURN_CANCELED: row(499, false, true, 'The caller went away'),
  VELA_TURN_NEVER_SETTLED: row(500, false, true, 'The service left a request that nothing can settle'),

  VELA_GUEST_THREW: row(500, false, true, 'The service failed'),
  VELA_GUEST_BAD_RESPONSE: row(500, false, true, 'The service answered with something that is no response'),
  VELA_GUEST_RESPONSE_TOO_LARGE: row(500, false, true, 'The service answered with more than it may'),
  VELA_GUEST_QUARANTINED: row(503, true, true, 'The service failed too often and is paused'),

  VELA_DEPLOY_INVALID_MANIFEST: row(400, false, true, 'The manifest is not valid'),
  VELA_DEPLOY_INVALID_NAME: row(400, false, true, 'The name is not allowed'),
  VELA_DEPLOY_BUNDLE_FAILED: row(400, false, true, 'The source could not be bundled'),
  VELA_DEPLOY_SYNTAX_ERROR: row(400, false, true, 'The source is not valid JavaScript'),
  VELA_DEPLOY_UNKNOWN_IMPORT: row(400, false, true, 'The source imports a module that does not exist here'),
  VELA_DEPLOY_MISSING_EXPORT: row(400, false, true, 'The source exports nothing that Vela can call'),
  VELA_DEPLOY_MISSING_DEPENDENCY: row(409, false, true, 'Something that the service injects is not there'),
  VELA_DEPLOY_START_THREW: row(400, false, true, 'The service threw while it was starting'),
  VELA_DEPLOY_START_TIMEOUT: row(400, false, true, 'The service did not finish starting'),
  VELA_DEPLOY_START_MEMORY: row(400, false, true, 'The service used too much memory while it was starting'),
  VELA_DEPLOY_TOO_LARGE: row(413, false, true, 'The bundle is larger than it may be'),
  VELA_DEPLOY_ROUTE_CONFLICT: row(409, false, true, 'Another service has this route'),
  VELA_DEPLOY_LIMIT_TOO_HIGH: row(400, false, true, 'A limit is above what the operator allows'),
  VELA_DEPLOY_UNSUPPORTED: row(400, false, true, 'The manifest asks for something this host does not have'),

  VELA_AUTH_MISSING: row(401, false, true, 'A token is needed'),
  VELA_AUTH_INVALID: row(401, false, true, 'The token is not valid'),
  VELA_AUTH_FORBIDDEN: row(403, false, true, 'The token does not reach this'),

  VELA_ADMIN_BAD_REQUEST: row(400, false, true, 'The request to the control API is not valid'),
  VELA_ADMIN_NOT_FOUND: row(404, false, true, 'The control API has no such address'),
  VELA_ADMIN_UNREACHABLE: row(503, true, true, 'The host cannot be reached'),

  VELA_CONFIG_INVALID: row(500, false, true, 'The configuration is not valid'),
  VELA_CONFIG_UNREADABLE: row(500, false, true, 'The configuration cannot be read'),
  VELA_HOST_PORT_TAKEN: row(500, false, true, 'The port is taken'),
  VELA_HOST_NOT_STARTED: row(500, false, true, 'The runtime is not started'),
  VELA_LIFECYCLE_HOOK_FAILED: row(500, false, true, 'A lifecycle hook failed'),
  VELA_LIFECYCLE_HOOK_TIMEOUT: row(500, false, true, 'A lifecycle hook did not end in time'),
  VELA_LIFECYCLE_CYCLE: row(500, false, true, 'Services depend on each other in a circle'),
  VELA_DI_UNKNOWN_TOKEN: row(500, false, false, 'Something that is injected is not provided'),
  VELA_DI_CYCLE: row(500, false, false, 'Providers need each other to be made'),
  VELA_DI_CAPTIVE: row(500, false, false, 'A provider would keep what lives shorter than it does'),
  VELA_DI_DUPLICATE: row(500, false, false, 'A token is provided twice'),
  VELA_DI_FACTORY_FAILED: row(500, false, false, 'Something that is injected could not be made'),
  VELA_DI_DISPOSED: row(500, false, false, 'The container or scope was disposed'),

  VELA_STORE_LOCKED: row(500, false, true, 'Another host uses this data directory'),
  VELA_STORE_FAILED: row(500, true, false, 'The store could not read or write'),
  VELA_STORE_FULL: row(507, true, true, 'The disk of the host is full'),
  VELA_STORE_DAMAGED: row(500, false, true, 'The store is damaged or from a newer version'),

  VELA_KV_BAD_REQUEST: row(400, false, true, 'The key, value or option cannot be stored'),
  VELA_KV_CONFLICT: row(409, true, true, 'The key has another version than was expected'),
  VELA_KV_QUOTA_EXCEEDED: row(507, false, true, 'The tenant stores as much as it may'),

  VELA_CHANNEL_CLOSED: row(409, false, true, 'The channel is closed'),
  VELA_CHANNEL_LOST: row(502, true, true, 'The other side of the channel is gone'),

  VELA_FETCH_INVALID: row(400, false, true, 'The request to send is not valid'),
  VELA_FETCH_DENIED: row(403, false, true, 'The address is not on the allow-list'),
  VELA_FETCH_ADDRESS_REFUSED: row(403, false, true, 'The address may not be connected to'),
  VELA_FETCH_FAILED: row(502, true, true, 'The other server could not be reached or did not answer well'),
  VELA_FETCH_TIMEOUT: row(504, true, true, 'The other server did not answer in time'),
  VELA_FETCH_TOO_LARGE: row(502, false, true, 'What was sent or received is larger than it may be'),
  VELA_FETCH_RATE_LIMITED: row(429, true, true, 'The service makes too many requests'),

  VELA_VALUE_NOT_CLONEABLE: row(400, false, true, 'A value cannot be sent'),
  VELA_TASK_CANCELED: row(499, false, true, 'The task was cancelled'),
  VELA_TASK_TIMEOUT: row(504, true, true, 'The task did not end before its deadline'),
  VELA_TASK_FAILED: row(500, false, true, 'The task failed'),
  VELA_TASK_OVERLOADED: row(429, true, true, 'Too many tasks are waiting'),
  VELA_WORKER_TASK_NOT_FOUND: row(404, false, true, 'There is no such task'),

  VELA_PROTOCOL_VIOLATION: row(502, true, false, 'The process broke the protocol'),
  VELA_REPLAY_INVALID: row(400, false, true, 'The recording cannot be read'),
  VELA_CAPABILITY_DENIED: row(403, false, true, 'The service has not been granted this'),
  VELA_CAPABILITY_REVOKED: row(403, false, true, 'An operator has taken this grant back'),
  VELA_CAPABILITY_NOT_FOUND: row(404, false, true, 'The service asks for no such capability'),
  VELA_CAPABILITY_FAILED: row(500, true, true, 'The host could not carry the call out'),
  VELA_CAPABILITY_OVERLOADED: row(429, true, true, 'The service has too many calls in flight'),
  VELA_CAPABILITY_BAD_CALL: row(
    400,
    false,
    true,
    'The capability was called with something it does not take',
  ),
  VELA_CAPABILITY_TOO_DEEP: row(508, false, true, 'Services call each other too deeply'),

  VELA_ACTOR_NOT_FOUND: row(404, false, true, 'There is no such class of actors'),
  VELA_ACTOR_MAILBOX_FULL: row(429, true, true, 'The actor has too many messages waiting'),
  VELA_ACTOR_DEADLINE: row(504, true, true, 'The actor did not answer before the deadline'),
  VELA_ACTOR_STOPPED: row(503, false, true, 'The actor was stopped by its supervision'),
  VELA_ACTOR_FENCED: row(409, true, true, 'The actor lives somewhere else now'),
  VELA_ACTOR_STORAGE_FAILED: row(503, true, true, 'The actor’s state could not be stored'),
  VELA_ACTOR_UPGRADE_FAILED: row(500, false, true, 'The actor’s state could not be upgraded'),
  VELA_ACTOR_QUOTA_EXCEEDED: row(507, false, true, 'The tenant’s actors store as much as they may'),

  VELA_CLUSTER_UNAVAILABLE: row(503, true, false, 'The cluster cannot be reached'),
  VELA_CLUSTER_CONFLICT: row(
    409,
    true,
    true,
    'Another host changed the same thing at the same time, or what was deleted under this name is still being erased',
  ),
  VELA_CLUSTER_NO_KEY: row(409, false, true, 'The cluster has no key to seal secrets with'),
  VELA_NODE_LOST: row(503, true, true, 'The host that should answer is gone'),

  VELA_EVENT_BAD_SUBJECT: row(400, false, true, 'This is no subject or pattern of events'),
  VELA_EVENT_INVALID: row(400, false, true, 'The event is not valid'),
  VELA_EVENT_TOO_LARGE: row(413, false, true, 'The event is larger than it may be'),
  VELA_EVENTS_OVERLOADED: row(429, true, true, 'Too many events are waiting'),
  VELA_EVENTS_FULL: row(507, true, true, 'The tenant’s durable events take as much room as they may'),
  VELA_EVENTS_UNAVAILABLE: row(503, true, true, 'Durable events cannot be stored now'),
  VELA_EVENTS_FENCED: row(409, true, true, 'The consumer runs somewhere else now'),
  VELA_EVENTS_CONSUMER_NOT_FOUND: row(404, false, true, 'There is no such consumer of events'),
  VELA_EVENTS_CONSUMER_IN_USE: row(409, false, true, 'Somebody is subscribed as this consumer of events'),
}

export type { ErrorCode }

export interface VelaErrorOptions {
  readonly cause?: unknown
  /** Place and facts for programs: file, line, column, key, allowed … */
  readonly details?: Readonly<Record<string, unknown>>
}

/** The one error class of the host. `message` names the place and what to do about it. */
export class VelaError extends Error {
  override readonly name = 'VelaError'
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: VelaErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
  }

  get status(): number {
    return ERRORS[this.code].status
  }
}

/** RFC 9457 problem document, as the gateway and the admin API send it. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  readonly detail?: string
  readonly requestId?: string
  readonly details?: Readonly<Record<string, unknown>>
}

export function problemOf(code: ErrorCode, requestId?: string, detail?: string): Problem {
  const { status, title, exposed } = ERRORS[code]
  return {
    type: `urn:vela:error:${code.toLowerCase().replaceAll('_', '-')}`,
    title,
    status,
    code,
    ...(detail !== undefined && exposed ? { detail } : {}),
    ...(requestId === undefined ? {} : { requestId }),
  }
}

/** Anything thrown, as a VelaError: our own as they are, the rest under `fallback`. */
export function toVelaError(thrown: unknown, fallback: ErrorCode): VelaError {
  if (thrown instanceof VelaError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new VelaError(fallback, message, { cause: thrown })
}
