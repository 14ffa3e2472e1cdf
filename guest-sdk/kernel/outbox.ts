/**
 * Gathers what the guest has to say during one entry: one text for all of it, so that leaving the isolate costs
 * one crossing however many messages there are.
 */
export interface Outbox {
  /** `message` is the JSON text of one message array; `body` are the characters its size speaks of. */
  add(message: string, body: string): void
  /** The messages, a newline, the bodies; `undefined` when there is nothing. */
  drain(): string | undefined
}

export function createOutbox(): Outbox {
  let messages = ''
  let bodies = ''
  return {
    add(message, body) {
      messages = messages === '' ? message : messages + ',' + message
      if (body !== '') bodies += body
    },
    drain() {
      if (messages === '') return undefined
      const text = '[' + messages + ']\n' + bodies
      messages = ''
      bodies = ''
      return text
    },
  }
}
