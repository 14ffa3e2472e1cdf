/** docs/guest-guide.md as its reader goes through it: the files, the commands and the tests on the page, in their order. */
import { execFile } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRuntime, type TestRuntime } from '../e2e/support.ts'
import { createWorkshop, runTool, toolEnv } from './project.ts'

interface Fence {
  readonly language: string
  readonly text: string
}

const page = readFileSync(join(import.meta.dirname, '../../docs/guest-guide.md'), 'utf8')
const fences: readonly Fence[] = [...page.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(
  ([, language = '', text = '']) => ({ language, text }),
)
const commands = fences.filter(({ language }) => language === 'sh').map(({ text }) => text.trim().split('\n'))

const workshop = createWorkshop()
const shop = join(workshop.path, 'shop')
let host: TestRuntime
let token: string

beforeAll(async () => {
  host = await startRuntime({ cells: { spares: 0 } })
  ;({ token } = await host.runtime.registry.createToken(null, ['admin']))
})
afterAll(async () => {
  await host.runtime.stop()
  workshop[Symbol.dispose]()
})

/** vitest's own 5 seconds are too few where several test runs share a core. */
const SLOW = ['--testTimeout=60000', '--hookTimeout=60000']
const SLOW_VITEST = `vitest run ${SLOW.join(' ')}`

/** As typed: `npx vela` is this checkout's. */
function runShell(line: string, cwd: string): Promise<{ exitCode: number; output: string }> {
  const env = { ...toolEnv(workshop.path), VELA_API_URL: host.urls.admin, VELA_API_TOKEN: token }
  const command = line.replace(/\bnpx (vela|tsc)\b/, '$1').replace('npm test', SLOW_VITEST)
  return new Promise((resolve) => {
    execFile('/bin/sh', ['-c', command], { cwd, env, timeout: 100_000 }, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : 1, output: `${stdout}${stderr}` })
    })
  })
}

async function runAll(lines: readonly string[] | undefined, cwd: string): Promise<string> {
  let all = ''
  for (const line of lines ?? []) {
    const { exitCode, output } = await runShell(line, cwd)
    expect([line, exitCode, exitCode === 0 ? '' : output]).toEqual([line, 0, ''])
    all += output
  }
  return all
}

test('the page has five blocks of commands, and writes each of its files', () => {
  expect(commands.map((lines) => lines.length)).toEqual([4, 1, 3, 4, 5])
  expect(
    fences.filter(({ language }) => language !== 'sh').map(({ text }) => text.split('\n', 1)[0]),
  ).toEqual([
    '// shop/vela.jsonc',
    '// shop/src/index.ts',
    '// mailer/vela.jsonc',
    '// mailer/src/index.ts',
    '// shop/test/rates.ts',
    '// shop/test/service.test.ts',
    '// shop/src/orders.ts',
  ])
})

test('begins, asks for powers, and passes the tests on the page', async () => {
  // `cd` and `npm install` are the workshop's part.
  await runAll(commands[0]?.slice(0, 1), workshop.path)
  for (const { text } of fences) {
    const file = /^\/\/ (\S+)\n/.exec(text)?.[1]
    if (file !== undefined) workshop.write(file, text)
  }
  await runAll(commands[1], shop)
  const output = await runAll(commands[2], shop)
  expect(output).toMatch(/Tests\s+4 passed/)
}, 200_000)

test('the env of the page is typed: a wrong use of it does not compile', async () => {
  workshop.write(
    'shop/src/wrong.ts',
    [
      'export const wrong = async (env: Env) => {',
      '  env.ORDERS.putt("a", "b")',
      '  await env.ORDERS.put("a", 7)',
      '  const text: string = await env.ORDERS.get("a")',
      '  env.mailer.sent("a")',
      '  const id: string = await env.mailer.send("a")',
      '  return [env.MISSING, text, id]',
      '}',
    ].join('\n'),
  )
  const { output } = await runTool('tsc', [], shop)
  const lines = [...output.matchAll(/wrong\.ts\((\d+),/g)].map((match) => Number(match[1]))
  expect([...new Set(lines)]).toEqual([2, 3, 4, 5, 6, 7])
})

test('deploys, is granted fetch, and goes back', async () => {
  const deployed = await runAll(commands[3], shop)
  expect(deployed).toMatch(/fetch.*denied/)
  const [grant = '', , , cron = ''] = commands[4] ?? []
  expect(await runAll([grant], shop)).toMatch(/fetch.*granted/)
  const put = await host.get('/demo/shop/orders/9', {
    method: 'PUT',
    body: '{"mail":"a@example.com","eur":5}',
  })
  expect([put.status, await put.json()]).toEqual([201, { mail: 'a@example.com', eur: 5, id: '9' }])
  // Granted, but there is no such server.
  const { exitCode, output } = await runShell(cron, shop)
  expect([exitCode, output]).toEqual([1, expect.stringContaining('VELA_GUEST_THREW')])
})

test('the container of the page is one line away', async () => {
  const index = join(shop, 'src/index.ts')
  writeFileSync(index, `${readFileSync(index, 'utf8')}\nexport { count } from './orders.ts'\n`)
  rmSync(join(shop, 'src/wrong.ts'))
  await runAll(['npx tsc', 'npx vela deploy . --tenant demo'], shop)
  expect(await host.runtime.invoke('demo/shop', 'count')).toBe(1)
})

test('the service in the README of the SDK passes the test beside it', async () => {
  const readme = readFileSync(join(import.meta.dirname, '../../guest-sdk/README.md'), 'utf8')
  const [service = '', check = ''] = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1])
  workshop.write(
    'greeter/vela.jsonc',
    '{"name": "greeter", "main": "src/index.ts", "capabilities": {"kv": {"VISITS": {}}}}',
  )
  workshop.write('greeter/src/index.ts', service)
  workshop.write('greeter/test/service.test.ts', check)
  workshop.write('greeter/tsconfig.json', readFileSync(join(shop, 'tsconfig.json'), 'utf8'))
  expect(await runTool('tsc', [], join(workshop.path, 'greeter'))).toEqual({ exitCode: 0, output: '' })
  const { exitCode, output } = await runTool('vitest', ['run', ...SLOW], join(workshop.path, 'greeter'))
  expect([exitCode, output]).toEqual([0, expect.stringMatching(/Tests\s+1 passed/)])
})
