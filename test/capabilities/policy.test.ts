/** The operator's policy: what is wrong with it stops the start, and is named by its key and the place it came from. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig, locateProblem, type ConfigInput } from '../../host/core/config.ts'
import { Runtime } from '../../host/core/runtime.ts'
import { manifestJsonSchema } from '../../host/manifest/manifest.ts'
import { tempFolder } from '../cli/run.ts'

const refusal = async (policy: NonNullable<ConfigInput['policy']>): Promise<Error> => {
  const creating = Runtime.create({ data: null, policy, cells: { spares: 0 }, log: { level: 'silent' } })
  return await creating.then(
    () => new Error('accepted'),
    (thrown: Error) => thrown,
  )
}

test.each([
  [{ defualt: {} }, 'configuration: policy.defualt is not a known key; did you mean "default"?'],
  [{ default: [] }, 'configuration: policy.default must be an object of rules by capability'],
  [{ default: { servces: true } }, 'policy.default.servces is not a known key; did you mean "services"?'],
  [{ default: { services: 'yes' } }, 'policy.default.services must be true, false or'],
  [{ tenants: true }, 'policy.tenants must be an object of policies by tenant'],
  [{ tenants: { acme: { services: { hosts: [] } } } }, 'policy.tenants.acme.services must be true, false or'],
])('%j is refused by its key', async (policy, message) => {
  const error = await refusal(policy)
  expect(error).toMatchObject({ code: 'VELA_CONFIG_INVALID', message: expect.stringContaining(message) })
})

test('the error has the line of the file, or the variable, that it came from', async () => {
  using folder = tempFolder()
  const file = join(folder.path, 'vela.config.jsonc')
  writeFileSync(file, '{\n  "policy": {\n    "default": { "servces": true }\n  }\n}')
  const options = { file, env: {}, flags: {}, cwd: folder.path }
  const error = await refusal(loadConfig(options).policy)
  expect((locateProblem(error, options) as Error).message).toMatch(
    /vela\.config\.jsonc:3:18: policy\.default\.servces is not a known key/,
  )
  const env = { VELA_POLICY: '{"default": {"services": 3}}' }
  const fromEnv = { env, flags: {}, cwd: folder.path }
  const other = await refusal(loadConfig(fromEnv).policy)
  expect((locateProblem(other, fromEnv) as Error).message).toMatch(
    /^environment variable VELA_POLICY: policy\.default\.services must be/,
  )
})

test('the schema of manifests describes every capability that a host has', async () => {
  const error = await refusal({ default: { nothing: true } })
  const kinds = /known keys: (.*)$/.exec(error.message)?.[1]?.split(', ') ?? []
  const { properties } = manifestJsonSchema() as {
    properties: { capabilities: { properties: Record<string, unknown> } }
  }
  expect(kinds.length).toBeGreaterThan(0)
  expect(Object.keys(properties.capabilities.properties)).toEqual(expect.arrayContaining(kinds))
})
