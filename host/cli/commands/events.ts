/** `vela events T`: the durable consumers of a tenant; dead letters and what to do with them; publishing an event. */
import { randomUUID } from 'node:crypto'
import type { Command } from 'commander'
import type { DeadEventLetter, EventsStatus } from '../../core/control-events.ts'
import type { AdminClient } from '../../admin/client.ts'
import { apiCommand, connect, type ApiFlags } from '../api.ts'
import { createOutput, sizeText, table, timeText, type Output } from '../output.ts'
import { UsageError } from '../usage-error.ts'

interface EventFlags extends ApiFlags {
  /** True: without a consumer. */
  readonly dead?: string | true
  readonly replay?: readonly string[]
  readonly discard?: readonly string[]
  readonly forget?: string
  readonly publish?: readonly string[]
  readonly durable?: true
  readonly key?: string
  readonly id?: string
}

const ACTIONS = ['dead', 'replay', 'discard', 'forget', 'publish'] as const

export function eventsCommand(): Command {
  return apiCommand('events', 'show the durable consumers of a tenant, its dead letters; publish an event')
    .argument('<tenant>')
    .option('--dead [consumer]', 'events that were given up, the latest first')
    .option(
      '--replay <consumer...>',
      'try dead letters again: a consumer, then sequences or all (all if left out)',
    )
    .option('--discard <consumer...>', 'forget dead letters: a consumer, then sequences or all')
    .option(
      '--forget <consumer>',
      'delete a consumer that will not come back: its place and its dead letters',
    )
    .option('--publish <subject...>', 'publish an event: a subject, then its data as JSON')
    .option('--durable', 'of --publish: to durable subscriptions, stored before it is acknowledged')
    .option('--key <key>', 'of --publish: events of one key are handled in order')
    .option('--id <id>', 'of --publish: a second durable event of one id is not stored')
    .action(async (tenant: string, flags: EventFlags) => {
      const chosen = ACTIONS.filter((name) => flags[name] !== undefined)
      if (chosen.length > 1) throw new UsageError(`give one of --${chosen.join(', --')}`)
      if (flags.publish === undefined) {
        const stray = (['durable', 'key', 'id'] as const).find((name) => flags[name] !== undefined)
        if (stray !== undefined) throw new UsageError(`--${stray} goes with --publish`)
      }
      await act(tenant, flags, createOutput(flags.json === true))
    })
}

async function act(tenant: string, flags: EventFlags, output: Output): Promise<void> {
  if (flags.publish !== undefined) return await publish(tenant, flags.publish, flags, output)
  const client = connect(flags)
  if (flags.dead !== undefined) {
    const letters = await client.listDeadEvents(tenant, flags.dead === true ? undefined : flags.dead)
    output.result(letters, () => letterTable(letters))
  } else if (flags.replay !== undefined) {
    const [consumer, sequences] = lettersOf('--replay', flags.replay, 'all')
    const answer = await client.replayEvents(tenant, consumer, sequences)
    output.result(answer, () => `${lettersText(answer.count)} to be tried again by ${consumer}`)
  } else if (flags.discard !== undefined) {
    const [consumer, sequences] = lettersOf('--discard', flags.discard, undefined)
    const answer = await client.discardEvents(tenant, consumer, sequences)
    output.result(answer, () => `${lettersText(answer.count)} forgotten`)
  } else if (flags.forget !== undefined) {
    const consumer = flags.forget
    await client.forgetConsumer(tenant, consumer)
    output.result({ tenant, consumer, forgotten: true }, () => `${consumer} is forgotten`)
  } else await show(tenant, client, output)
}

async function show(tenant: string, client: AdminClient, output: Output): Promise<void> {
  const status = await client.eventsStatus(tenant)
  output.result(status, () => statusText(status))
}

async function publish(
  tenant: string,
  [subject = '', text, ...more]: readonly string[],
  flags: EventFlags,
  output: Output,
): Promise<void> {
  if (more.length > 0)
    throw new UsageError('--publish takes a subject and its data, which is one word of JSON')
  const event = {
    specversion: '1.0',
    id: flags.id ?? randomUUID(),
    source: 'urn:vela:cli',
    type: subject,
    ...(flags.key === undefined ? {} : { subject: flags.key }),
    ...(text === undefined ? {} : { datacontenttype: 'application/json', data: dataOf(text) }),
  }
  const answer = await connect(flags).publishEvent(
    tenant,
    event,
    flags.durable === true ? 'durable' : 'ephemeral',
  )
  output.result(answer, () => {
    if (answer.duplicate === true)
      return `an event with the id ${answer.id} was stored already, as ${answer.sequence}`
    return answer.sequence === undefined
      ? `published ${answer.id}`
      : `stored ${answer.id} as ${answer.sequence}`
  })
}

function dataOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`the data of the event is not JSON: ${text}`)
  }
}

function lettersOf(
  flag: string,
  [consumer = '', ...words]: readonly string[],
  fallback: 'all' | undefined,
): [consumer: string, sequences: number[] | 'all'] {
  const chosen = words.length === 0 ? fallback : words
  if (chosen === undefined) throw new UsageError(`${flag} needs a consumer, and sequences or all`)
  if (chosen === 'all' || (chosen.length === 1 && chosen[0] === 'all')) return [consumer, 'all']
  const sequences = chosen.map(Number)
  if (!sequences.every((sequence) => Number.isSafeInteger(sequence) && sequence > 0))
    throw new UsageError(`${flag} takes a consumer, then sequences as --dead shows them, or all`)
  return [consumer, sequences]
}

const lettersText = (count: number): string => (count === 1 ? '1 dead letter' : `${count} dead letters`)

function statusText({ events, bytes, quotaBytes, consumers }: EventsStatus): string {
  const rows = consumers.map(({ consumer, pattern, state, lag, inFlight, dead }) => [
    consumer,
    pattern ?? '',
    state,
    String(lag),
    String(inFlight),
    String(dead),
  ])
  const list = table(
    ['consumer', 'subject', 'state', 'lag', 'in flight', 'dead'],
    rows,
    'there are no durable consumers',
  )
  return `${list}\n\nstored: ${events} ${events === 1 ? 'event' : 'events'}, ${sizeText(bytes)} of ${sizeText(quotaBytes)}`
}

const letterTable = (letters: readonly DeadEventLetter[]): string =>
  table(
    ['time', 'consumer', 'sequence', 'subject', 'id', 'attempts', 'reason', 'data'],
    letters.map(({ at, consumer, sequence, subject, id, attempts, reason, replaying, data }) => [
      timeText(at),
      consumer,
      String(sequence),
      subject,
      id,
      String(attempts),
      replaying ? `(being tried again) ${reason}` : reason,
      data ?? '(large)',
    ]),
    'there are no dead letters',
  )
