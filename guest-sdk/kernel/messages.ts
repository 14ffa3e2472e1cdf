/**
 * The messages that host and kernel exchange inside ENTER and OUTPUT frames; docs/protocol.md is their page.
 *
 * One text holds a JSON array of messages, a newline, and then the bodies of those messages in order, so that
 * bodies are never escaped. Each message is an array that opens with one of these numbers. A message that
 * carries a body says its length in UTF-16 code units (`size`), and what the characters are (`BODY`).
 */
export const TO_GUEST = {
  /**
   * [0, id, HANDLER.fetch, method, url, headers[], BODY, size, requestId], the body following; or
   * [0, id, another HANDLER, name, 0, 0, BODY.text, size, requestId], the arguments following as a JSON array; or
   * [0, id, HANDLER.actorFetch, method, url, headers[], BODY, size, requestId, class, name, activation], the body following.
   * Of HANDLER.actor, `name` is the class and the arguments are [name, kind, method, argsText, options, activation]; of
   * HANDLER.passivate they are [class, name] of each that is another host's by now; none: all are to leave. docs/protocol.md says what an activation is.
   */
  invoke: 0,
  /** [1, id, size, last]: part of a request body or of a capability's answer, a byte string; `last` is 1 at its end, 2 when it broke off. */
  data: 1,
  /** [2, id, bytes]: leave to send so many more bytes: of the response, of what goes with a call, to a socket. */
  credit: 2,
  /** [3, id, code]: the caller has gone or the deadline has passed; nobody waits for the result. */
  cancel: 3,
  /** [4, call, size, BODY, size]: what a capability answered: JSON (no characters: undefined), then a body of its own. */
  result: 4,
  /** [5, call, size]: it refused or failed, as JSON {name, message, code?, details?}. */
  failed: 5,
  /** [6, id, BODY, size]: a message of the client to a socket: a byte string, of UTF-8 if it is BODY.text. */
  message: 6,
  /** [7, id, code, CLOSE, size]: the socket is closed; the reason is a byte string of UTF-8. */
  closed: 7,
} as const

export const FROM_GUEST = {
  /**
   * [0, id, status, headers[], BODY, size, pending]: a response. `pending` is 1 while waitUntil goes on. After status 101
   * the turn is a socket, and `end` settles it.
   */
  response: 0,
  /** [1, id, BODY, size, pending]: the value that a method returned, as JSON; BODY.none is undefined. */
  value: 1,
  /** [2, id, size, pending]: what the handler threw, as JSON {name, message, stack?, code?}. */
  threw: 2,
  /** [3, id, BODY, size]: part of a response body, or of what goes with a call. */
  data: 3,
  /** [4, id, how]: end of such a body, or of a socket's turn: 0 complete, 1 broken off by an error. */
  end: 4,
  /** [5, id]: waitUntil has settled; the turn is over. */
  settled: 5,
  /** [6, id, bytes]: leave to send so many more bytes: of the request, of a capability's answer, of a socket's messages; 0 means that it is not wanted. */
  credit: 6,
  /** [7, ms]: when the earliest timer is due (epoch milliseconds); 0 means that there is none. */
  timer: 7,
  /**
   * [8, call, grant, method, size, BODY, size, turn]: use of a capability: arguments as a JSON array, then a body of its
   * own. `turn` is the turn on whose behalf it is, 0 if that is not known.
   */
  call: 8,
  /** [9, call]: the answer is not wanted any more. */
  drop: 9,
  /** [10, id, BODY, size]: a message to the client; with BODY.stream its `size` bytes follow in BYTES frames. */
  message: 10,
  /** [11, id, code, size]: the guest closes its socket, for this reason; code 0: none. */
  close: 11,
  /** [12, id, call, pending]: the answer is the WebSocket that came as the answer of that call; the turn has no more to do with it. */
  forward: 12,
} as const

/**
 * Calls of capabilities have ids from here on, turns below, so that the messages about bodies (data, credit, end and
 * BYTES frames) serve both. The ids are the guest's; one is used again only when its call is over.
 */
export const FIRST_CALL_ID = 0x8000_0000
export const LAST_CALL_ID = 0xffff_ffff

/** Which entry of the guest an invoke names. */
export const HANDLER = {
  fetch: 0,
  method: 1,
  start: 2,
  stop: 3,
  scheduled: 4,
  /** A message to an actor. */
  actor: 5,
  actorFetch: 6,
  /** Actors are to leave this guest. */
  passivate: 7,
  /** An exported function, called as a task of a worker with one encoded value. */
  task: 8,
  /** Events for the guest's `queue`, or for the exported function whose name the message has (docs/protocol.md, "Events"). */
  queue: 9,
} as const

/** Characters that the input of a task, and its result, may have when encoded. */
export const TASK_VALUE_LIMIT = 1_048_576
/** The first character of what a task answers with: whether it ended in the entry that began it. */
export const TASK_MARK = { atOnce: '0', outlasts: '1' } as const

/** How a socket came to its end: after both sides said so, without that, or because a side broke the rules. */
export const CLOSE = { clean: 0, abrupt: 1, failed: 2 } as const

/**
 * Messages of a socket, either way, may run this far ahead of what was taken at the other end. A message counts
 * with its length and `SOCKET_MESSAGE_COST`, so that empty ones are bounded too; one may go over the edge.
 */
export const SOCKET_WINDOW = 262_144
export const SOCKET_MESSAGE_COST = 64

/** What the characters of a body are. */
export const BODY = {
  none: 0,
  /** Text, or a byte string that is pure ASCII: the same thing. */
  text: 1,
  /** A byte string: each character code is one byte. */
  bytes: 2,
  /** Nothing inline: the body follows in data messages and BYTES frames. */
  stream: 3,
} as const

/** A body up to this size (characters) travels inline with its message. */
export const INLINE_BODY_LIMIT = 65_536

/** A response may run this many bytes ahead of the credit it was given. */
export const INITIAL_CREDIT = 524_288
