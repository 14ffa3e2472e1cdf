/** An end of a channel: what its owner has asked and not been told yet, and the leave that it has. */
import type { PutAnswer } from '../../../guest-sdk/concurrency/remote-line.ts'
import type { Chunk } from './chunk.ts'

/** The isolate, or the host, that an end belongs to. */
export interface EndOwner {
  /** False: what it is told now it hears at an unknown time, so nothing is entrusted to it. */
  readonly hears: boolean
  /** Of one that is gone: it was lost, rather than given up. */
  readonly lost: boolean
}

export interface TakeReply {
  readonly chunk: Chunk | undefined
  readonly state: number
  readonly reason: string
}

export interface PutOptions {
  readonly want: number
  readonly waits: boolean
  readonly need: number
}

interface Asked<Reply> {
  readonly reply: (reply: Reply) => void
}

export interface AskedPut extends Asked<PutAnswer>, PutOptions {
  readonly accepted: number
  /** The answer has nothing to say before there is leave to send. */
  readonly mustWait: boolean
}

interface AskedTake extends Asked<TakeReply> {
  readonly want: number
}

export class SendEnd {
  readonly owner: EndOwner
  credit = 0
  reservedBytes = 0
  asked: AskedPut | undefined
  /** The other side was lost, and this end has not been told. */
  isBereft = false
  constructor(owner: EndOwner) {
    this.owner = owner
  }
}

export class TakeEnd {
  readonly owner: EndOwner
  asked: AskedTake | undefined
  isBereft = false
  /** Somebody there is in the middle of receiving, also while it asks for nothing: it is to hear of a close. */
  isEngaged = false
  constructor(owner: EndOwner) {
    this.owner = owner
  }
}

/** One of the other side was lost: who has nobody there now, itself apart, is to be told. */
export function bereave(ends: ReadonlySet<SendEnd | TakeEnd>, others: ReadonlySet<SendEnd | TakeEnd>): void {
  for (const end of ends) {
    let hasOther = false
    for (const { owner } of others) if (owner !== end.owner) hasOther = true
    if (!hasOther) end.isBereft = true
  }
}
