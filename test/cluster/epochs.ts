/** The history of who owned which actor, as the logs of a cluster tell it. */
import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream'
import { expect } from 'vitest'
import { decodeRecord } from '../../host/cluster/actors/records.ts'
import { parseConfig } from '../../host/core/config.ts'
import { createLog } from '../../host/core/log.ts'
import { openNats } from '../../host/nats/nats.ts'

/** What is wrong with the epochs in the logs: one that is behind a later one, or that two nodes have written. */
export async function epochsOf(servers: readonly string[]): Promise<string[]> {
  const config = parseConfig({ nats: { servers: [...servers] }, log: { level: 'silent' } })
  if (config.nats === null) throw new Error('no NATS')
  const nats = await openNats(config.nats, createLog(config.log))
  const wrong: string[] = []
  const last = new Map<string, number>()
  const nodes = new Map<string, string>()
  try {
    const manager = await nats.manager()
    const { name, num_pending: pending } = await manager.consumers.add('vela-actors', {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.All,
    })
    expect(pending).toBeGreaterThan(0)
    const consumer = await nats.jetstream().consumers.get('vela-actors', name)
    for await (const message of await consumer.fetch({ max_messages: pending, expires: 5000 })) {
      const { header, body } = decodeRecord(message.data)
      const { subject } = message
      if (header.epoch < (last.get(subject) ?? 0))
        wrong.push(`${subject}: ${header.epoch} behind ${last.get(subject)}`)
      last.set(subject, header.epoch)
      if (header.kind !== 'epoch') continue
      const { node } = JSON.parse(body.toString()) as { node: string }
      const key = `${subject} ${header.epoch}`
      if ((nodes.get(key) ?? node) !== node) wrong.push(`${key} is of ${node} and ${nodes.get(key)}`)
      nodes.set(key, node)
    }
  } finally {
    await nats.close()
  }
  return wrong
}
