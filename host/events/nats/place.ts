/** Where a message of a pull consumer stands, which JetStream says in the subject for its acknowledgement. */

export interface Place {
  /** In the stream. */
  readonly sequence: number
  /** In the order of this consumer, from 1 and without gaps. */
  readonly delivered: number
  /** Still to come. */
  readonly pending: number
}

/** `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<delivered>.<time>.<pending>`, with two tokens more after `ACK` on some servers. */
export function placeOf(reply: string | undefined): Place | undefined {
  if (reply === undefined || !reply.startsWith('$JS.ACK.')) return undefined
  const tokens = reply.split('.')
  const base = tokens.length >= 11 ? 7 : 5
  return {
    sequence: Number(tokens[base]),
    delivered: Number(tokens[base + 1]),
    pending: Number(tokens[base + 3]),
  }
}
