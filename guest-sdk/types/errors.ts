/**
 * The codes of errors that code in a service can catch. A test holds the list against the host's table: each code of
 * the host is either here or can never reach a guest. docs/errors.md says of each what it means and what to do.
 */

/**
 * `code` of what Vela throws or rejects with inside a service; the class is `Error`, `TypeError` or `RangeError`.
 * More may be added: have a `default` when you switch over them.
 */
export type VelaErrorCode =
  // Grants
  | 'VELA_CAPABILITY_DENIED'
  | 'VELA_CAPABILITY_REVOKED'
  | 'VELA_CAPABILITY_FAILED'
  | 'VELA_CAPABILITY_OVERLOADED'
  | 'VELA_CAPABILITY_BAD_CALL'
  | 'VELA_CAPABILITY_TOO_DEEP'
  | 'VELA_TENANT_QUOTA_EXCEEDED'
  // fetch
  | 'VELA_FETCH_INVALID'
  | 'VELA_FETCH_DENIED'
  | 'VELA_FETCH_ADDRESS_REFUSED'
  | 'VELA_FETCH_FAILED'
  | 'VELA_FETCH_TIMEOUT'
  | 'VELA_FETCH_TOO_LARGE'
  | 'VELA_FETCH_RATE_LIMITED'
  // Key-value store
  | 'VELA_KV_BAD_REQUEST'
  | 'VELA_KV_CONFLICT'
  | 'VELA_KV_QUOTA_EXCEEDED'
  | 'VELA_STORE_FAILED'
  | 'VELA_STORE_FULL'
  // Events
  | 'VELA_EVENT_BAD_SUBJECT'
  | 'VELA_EVENT_INVALID'
  | 'VELA_EVENT_TOO_LARGE'
  | 'VELA_EVENTS_OVERLOADED'
  | 'VELA_EVENTS_FULL'
  | 'VELA_EVENTS_UNAVAILABLE'
  // Values that are sent to actors, channels and workers
  | 'VELA_VALUE_NOT_CLONEABLE'
  // Tasks, and workers and tasks of the host
  | 'VELA_TASK_CANCELED'
  | 'VELA_TASK_TIMEOUT'
  | 'VELA_TASK_FAILED'
  | 'VELA_TASK_OVERLOADED'
  | 'VELA_WORKER_TASK_NOT_FOUND'
  // Containers of the service's own
  | 'VELA_DI_UNKNOWN_TOKEN'
  | 'VELA_DI_CYCLE'
  | 'VELA_DI_CAPTIVE'
  | 'VELA_DI_DUPLICATE'
  | 'VELA_DI_FACTORY_FAILED'
  | 'VELA_DI_DISPOSED'
  // Actors
  | 'VELA_ACTOR_NOT_FOUND'
  | 'VELA_ACTOR_MAILBOX_FULL'
  | 'VELA_ACTOR_DEADLINE'
  | 'VELA_ACTOR_STOPPED'
  | 'VELA_ACTOR_FENCED'
  | 'VELA_ACTOR_STORAGE_FAILED'
  | 'VELA_ACTOR_UPGRADE_FAILED'
  | 'VELA_ACTOR_QUOTA_EXCEEDED'
  // Several hosts
  | 'VELA_CLUSTER_UNAVAILABLE'
  | 'VELA_NODE_LOST'
  // Channels
  | 'VELA_CHANNEL_CLOSED'
  | 'VELA_CHANNEL_LOST'
  // Calls of other services: what became of the call over there
  | 'VELA_SERVICE_NOT_FOUND'
  | 'VELA_METHOD_NOT_FOUND'
  | 'VELA_GUEST_THREW'
  | 'VELA_GUEST_BAD_RESPONSE'
  | 'VELA_GUEST_RESPONSE_TOO_LARGE'
  | 'VELA_GUEST_QUARANTINED'
  | 'VELA_GATEWAY_BODY_TOO_LARGE'
  | 'VELA_GATEWAY_DRAINING'
  | 'VELA_GATEWAY_INTERNAL'
  | 'VELA_CELL_LOST'
  | 'VELA_CELL_OVERLOADED'
  | 'VELA_CELL_START_FAILED'
  | 'VELA_TURN_EXCEEDED_CPU'
  | 'VELA_TURN_EXCEEDED_MEMORY'
  | 'VELA_TURN_EXCEEDED_WALL'
  | 'VELA_TURN_CANCELED'

/**
 * What Vela throws inside a service. Errors of the web platform (a `TypeError` for a malformed URL, a `DOMException`
 * named `AbortError`) have no such code.
 *
 * @example
 * try {
 *   await env.CARTS.put(key, cart, { ifVersion: version })
 * } catch (error) {
 *   if ((error as VelaError).code !== 'VELA_KV_CONFLICT') throw error
 *   return new Response('changed meanwhile', { status: 409 })
 * }
 */
export interface VelaError extends Error {
  readonly code: VelaErrorCode
}
