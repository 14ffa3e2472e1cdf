/** Tenants and consumers that are deleted while another host still acts for them: nothing of theirs is left to what comes after. */
import { expect, test } from 'vitest'
import { VelaError } from '../../host/core/errors.ts'
import { engineOn } from '../events/logs.ts'
import { event, eventually, logHosts, newTenant } from './log-hosts.ts'

const hosts = logHosts()
const gone = (): Promise<never> => Promise.reject(new VelaError('VELA_TENANT_NOT_FOUND', 'It is deleted'))
const CONSUMER = 'acme/shop/ORDERS/orders.placed'

const letterOf = (tenant: string, sequence: number) => ({
  consumer: CONSUMER,
  sequence,
  event: event(tenant, 'poison'),
  attempts: 1,
  reason: 'Error: bad',
  atMs: 1,
  replaying: false,
})

test('a host that has not heard of a deletion stores nothing for the tenant any more, and says so at once', async () => {
  let isThere = true
  const { log } = await hosts.host({ admit: () => (isThere ? Promise.resolve() : gone()) })
  const other = await hosts.host()
  const tenant = newTenant()
  await log.append(event(tenant, 'first'), true)
  isThere = false
  await other.log.deleteTenant(tenant)
  await expect(log.append(event(tenant, 'late'), true)).rejects.toMatchObject({
    code: 'VELA_TENANT_NOT_FOUND',
  })
  expect(log.outbox).toMatchObject({ waiting: 0, waitingBytes: 0 })
  for (const act of [
    () => log.openCursor(tenant, CONSUMER, 'new'),
    () => log.addDead(tenant, letterOf(tenant, 1)),
  ])
    await expect(act()).rejects.toMatchObject({ code: 'VELA_TENANT_NOT_FOUND' })
  expect(await other.log.tenants()).not.toContain(tenant)
  expect(await other.log.cursors(tenant)).toEqual([])
  expect(await other.log.countDead(tenant)).toEqual(new Map())
  // Made again.
  isThere = true
  expect(await log.append(event(tenant, 'first'), true)).toEqual({ sequence: 1, duplicate: false })
})

test('what a host makes for a tenant in the moment of its deletion is taken back', async () => {
  let asked = 0
  // There when it is asked for the first time, and deleted when it is made.
  const { log } = await hosts.host({ admit: () => (++asked % 2 === 1 ? Promise.resolve() : gone()) })
  const other = await hosts.host()
  const tenant = newTenant()
  await expect(log.append(event(tenant, 'late'), true)).rejects.toMatchObject({
    code: 'VELA_TENANT_NOT_FOUND',
  })
  expect(await other.log.tenants()).not.toContain(tenant)
  await expect(log.addDead(tenant, letterOf(tenant, 1))).rejects.toMatchObject({
    code: 'VELA_TENANT_NOT_FOUND',
  })
  const manager = await other.nats.manager()
  const streams: string[] = []
  for await (const name of manager.streams.names()) streams.push(name)
  expect(streams.filter((name) => name.endsWith(`_${tenant}`))).toEqual([])

  await other.log.append(event(tenant, 'there'), true)
  await expect(log.openCursor(tenant, CONSUMER, 'new')).rejects.toMatchObject({
    code: 'VELA_TENANT_NOT_FOUND',
  })
  expect(await other.log.cursors(tenant)).toEqual([])
})

test('a dead letter that comes after another host has dropped its consumer does not stay', async () => {
  const { log } = await hosts.host()
  const other = await hosts.host()
  const tenant = newTenant()
  await log.append(event(tenant, 'poison'), true)
  await log.openCursor(tenant, CONSUMER, 'all')
  await log.addDead(tenant, letterOf(tenant, 1))
  expect(await other.log.countDead(tenant)).toEqual(new Map([[CONSUMER, 1]]))
  await other.log.dropCursor(tenant, CONSUMER)
  await log.addDead(tenant, letterOf(tenant, 1))
  await eventually(async () => (await other.log.countDead(tenant)).size === 0)
})

test('dead letters whose consumer was dropped by a host that then ended are forgotten with their service', async () => {
  const { log } = await hosts.host()
  const tenant = newTenant()
  await log.append(event(tenant, 'poison'), true)
  await log.addDead(tenant, letterOf(tenant, 1))
  await engineOn(log).forgetAll(tenant, 'acme/shop/')
  expect(await log.countDead(tenant)).toEqual(new Map())
})
