/** Grants and schedules from the command line, spawned as a user would, against a whole host. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runVela, tempFolder, type RunResult, type TempFolder } from '../cli/run.ts'
import { startHost, type Host } from './support.ts'

let host: Host
let folder: TempFolder
const tokens = { operator: '', deploy: '' }

beforeAll(async () => {
  host = await startHost({}, async (runtime) => {
    await runtime.registerService('mailer', { send: () => 'sent' })
  })
  await host.runtime.registry.createTenant('acme')
  tokens.operator = (await host.runtime.registry.createToken(null, ['admin'])).token
  tokens.deploy = (await host.runtime.registry.createToken('acme', ['deploy', 'invoke'])).token
  folder = tempFolder()
  mkdirSync(join(folder.path, 'shop'))
})
afterAll(async () => {
  folder[Symbol.dispose]()
  await host.runtime.stop()
})

function writeShop(capabilities: object): string {
  const path = join(folder.path, 'shop')
  writeFileSync(
    join(path, 'vela.json'),
    JSON.stringify({ name: 'shop', capabilities, schedules: ['0 0 * * *'] }),
  )
  writeFileSync(
    join(path, 'index.ts'),
    `export default { scheduled() { console.log('ran') }, async mail() { return 'mailed' } }`,
  )
  return path
}

const vela = (kind: keyof typeof tokens, ...args: string[]): Promise<RunResult> =>
  runVela(args, { env: { VELA_API_URL: host.admin, VELA_API_TOKEN: tokens[kind] } })
const velaJson = async (kind: keyof typeof tokens, ...args: string[]): Promise<unknown> =>
  JSON.parse((await vela(kind, ...args, '--json')).stdout)

test('deploy says what was denied and with which command an operator grants it, and what is new', async () => {
  const path = writeShop({ services: { mailer: ['send'] } })
  const first = await vela('deploy', 'deploy', path)
  expect(first.stdout).toMatch(/denied +services mailer: .*send \(the operator's policy does not grant/)
  expect(first.stdout).toContain('vela grant acme/shop mailer')
  writeShop({ services: { mailer: ['send'], other: { service: 'shop' } } })
  const second = await vela('deploy', 'deploy', path)
  expect(second.stdout).toMatch(/granted +services other/)
  expect(second.stdout).toMatch(/new +asks for more than the version before: services other/)
  expect(await velaJson('deploy', 'deploy', path)).toMatchObject({
    grants: [
      { binding: 'mailer', state: 'denied' },
      { binding: 'other', state: 'granted' },
    ],
    asksMore: [],
  })
})

test('grants, grant, revoke and --by-policy show and change what the service reaches', async () => {
  const table = await vela('deploy', 'grants', 'acme/shop')
  expect(table.stdout).toMatch(/binding +kind +state +reach +reason/)
  expect(table.stdout).toMatch(/mailer +services +denied/)
  const state = async (...args: string[]): Promise<unknown> => {
    const grants = (await velaJson('operator', ...args)) as { binding: string; state: string }[]
    return grants.find(({ binding }) => binding === 'mailer')?.state
  }
  expect(await state('grant', 'acme/shop', 'mailer')).toBe('granted')
  expect(await state('revoke', 'acme/shop', 'mailer')).toBe('revoked')
  expect(await state('grant', 'acme/shop', 'mailer', '--by-policy')).toBe('denied')
  const missing = await vela('operator', 'grant', 'acme/shop', 'nothing')
  expect([missing.exitCode, missing.stderr]).toEqual([
    4,
    expect.stringContaining('VELA_CAPABILITY_NOT_FOUND'),
  ])
})

test("a tenant's own token cannot decide, nor deploy with --grant", async () => {
  const attempts = [
    ['grant', 'acme/shop', 'mailer'],
    ['revoke', 'acme/shop', 'mailer'],
    ['deploy', writeShop({ services: { mailer: ['send'] } }), '--grant'],
  ]
  for (const args of attempts) {
    const { exitCode, stderr } = await vela('deploy', ...args)
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('VELA_AUTH_FORBIDDEN')])
  }
  expect(await host.grantOf('acme/shop', 'mailer')).toMatchObject({ state: 'denied' })
})

test('an operator deploys with --grant, and all that was asked for is granted', async () => {
  const path = writeShop({ services: { mailer: ['send'], other: { service: 'shop' } } })
  expect(await velaJson('operator', 'deploy', path, '--tenant', 'acme', '--grant')).toMatchObject({
    grants: [
      { binding: 'mailer', state: 'granted', reason: 'granted by an operator' },
      { binding: 'other', state: 'granted' },
    ],
  })
})

test('cron runs a schedule now', async () => {
  const ran = await vela('deploy', 'cron', 'acme/shop')
  expect([ran.exitCode, ran.stdout]).toEqual([
    0,
    expect.stringMatching(/^ran "0 0 \* \* \*" for \S+ \S+ UTC in \d+ ms/),
  ])
  const missing = await vela('deploy', 'cron', 'acme/shop', '1 1 * * *')
  expect([missing.exitCode, missing.stderr]).toEqual([4, expect.stringContaining('VELA_SCHEDULE_NOT_FOUND')])
})
