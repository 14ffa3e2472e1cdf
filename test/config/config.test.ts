import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_LIMITS, MAXIMUM_LIMITS } from '../../sandbox/protocol/limits.ts'
import { type Config, loadConfig, parseConfig } from '../../host/core/config.ts'
import { listSettings } from '../../host/core/config-schema.ts'
import { variableName } from '../../host/core/config-sources.ts'
import { VelaError } from '../../host/core/errors.ts'
import { failure } from './failure.ts'

let cwd: string
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'vela-config-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const write = (name: string, content: unknown): string => {
  const path = join(cwd, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}
const load = (options: Partial<Parameters<typeof loadConfig>[0]> = {}): Config =>
  loadConfig({ env: {}, flags: {}, cwd, ...options })

describe('where a setting comes from', () => {
  test('without anything every setting has its default', () => {
    const config = load()
    expect(config.gateway).toMatchObject({
      host: '127.0.0.1',
      port: 8787,
      trustProxy: false,
      accessLog: true,
    })
    expect(config).toMatchObject({ admin: { port: 8788 }, data: '.vela', drainMs: 10_000, policy: {} })
    expect(config.limits).toEqual({ default: DEFAULT_LIMITS, maximum: MAXIMUM_LIMITS })
    expect(parseConfig()).toEqual(config)
  })

  test('flags beat the environment, which beats the file, which beats the defaults', () => {
    write('vela.config.jsonc', {
      gateway: { port: 1001, host: '::1', headerBytes: 2048 },
      admin: { port: 1002 },
    })
    const env = { VELA_GATEWAY_PORT: '2001', VELA_GATEWAY_HOST: '0.0.0.0' }
    const { gateway, admin } = load({ env, flags: { port: 3001 } })
    expect(gateway).toMatchObject({
      port: 3001,
      host: '0.0.0.0',
      headerBytes: 2048,
      keepAliveTimeoutMs: 10_000,
    })
    expect(admin.port).toBe(1002)
  })

  test('every setting has a variable, and its text arrives as the right type', () => {
    const env: Record<string, string> = {
      VELA_GATEWAY_TRUST_PROXY: 'yes',
      VELA_GATEWAY_HEADERS_TIMEOUT_MS: '77',
      VELA_DATA: 'none',
      VELA_LOG_LEVEL: 'debug',
      VELA_CELLS_CORDONS: '{"small": ["acme", "globex"]}',
      VELA_CELLS_WEIGHTS: '{"acme": 2.5}',
      VELA_CELLS_RECORD_DIR: 'frames',
      VELA_LIMITS_DEFAULT_CPU_MS: '55',
      VELA_LIMITS_MAXIMUM_LOG_BYTES_PER_SECOND: '99',
      VELA_DRAIN_MS: '0',
      VELA_POLICY: '{"fetch": {"allow": []}}',
    }
    const config = load({ env })
    expect(config.gateway).toMatchObject({ trustProxy: true, headersTimeoutMs: 77 })
    expect(config).toMatchObject({ data: null, drainMs: 0, policy: { fetch: { allow: [] } } })
    expect(config.log.level).toBe('debug')
    expect(config.cells).toMatchObject({ cordons: { small: ['acme', 'globex'] }, recordDir: 'frames' })
    expect(config.cells.weights).toEqual({ acme: 2.5 })
    expect(config.limits.default.cpuMs).toBe(55)
    expect(config.limits.maximum.logBytesPerSecond).toBe(99)
    // A default above the maximum that the operator set comes down with it.
    expect(config.limits.default.logBytesPerSecond).toBe(99)
    const names = listSettings().map(({ path }) => variableName(path))
    expect(new Set(names).size).toBe(names.length)
    const leaves = (value: object, path: string[] = []): string[][] =>
      Object.entries(value).flatMap(([key, inner]) =>
        typeof inner === 'object' &&
        inner !== null &&
        !['cordons', 'weights', 'policy', 'servers'].includes(key)
          ? leaves(inner as object, [...path, key])
          : [[...path, key]],
      )
    const whole = parseConfig({ nats: { servers: ['nats://nats'], tls: {} } })
    expect(names.toSorted()).toEqual(leaves(whole).map(variableName).toSorted())
  })

  test('an empty variable is not set', () => {
    expect(load({ env: { VELA_GATEWAY_PORT: '' } }).gateway.port).toBe(8787)
  })

  test('the file is the one given, else that of the environment, else the one in the folder', () => {
    write('vela.config.json', { drainMs: 1 })
    const given = write('other.jsonc', '// comment\n{ "drainMs": 2, }')
    expect(load().drainMs).toBe(1)
    expect(load({ file: 'other.jsonc' }).drainMs).toBe(2)
    expect(load({ env: { VELA_CONFIG: given } }).drainMs).toBe(2)
    write('vela.config.jsonc', {})
    expect(failure(() => load()).message).toContain('both here')
  })

  test('a path in a file is beside that file, one from a flag or variable is from here', () => {
    mkdirSync(join(cwd, 'etc'))
    write('etc/vela.jsonc', { data: 'data', log: { destination: 'stdout' }, cells: { recordDir: './rec' } })
    const config = load({ file: 'etc/vela.jsonc' })
    expect(config).toMatchObject({ data: join(cwd, 'etc/data'), log: { destination: 'stdout' } })
    expect(config.cells.recordDir).toBe(join(cwd, 'etc/rec'))
    expect(load({ file: 'etc/vela.jsonc', flags: { data: 'here' } }).data).toBe('here')
    expect(load({ file: 'etc/vela.jsonc', env: { VELA_DATA: 'there' } }).data).toBe('there')
  })
})

describe('what is wrong is said with key, value, origin and what is allowed', () => {
  test.each([
    [
      'a wrong value',
      '{\n  "gateway": { "port": 99999 }\n}',
      ':2:24: gateway.port is 99999; it must be a port',
    ],
    ['a wrong type', '{"log": {"level": 3}}', ':1:19: log.level is 3; it must be one of debug, info'],
    [
      'a misspelt key',
      '{"gateway": {"prot": 1}}',
      ':1:14: gateway.prot is not a known key; did you mean "port"?',
    ],
    ['a misspelt section', '{"gatway": {}}', ':1:2: gatway is not a known key; did you mean "gateway"?'],
    ['a key of another style', '{"drain_ms": 1}', 'did you mean "drainMs"?'],
    ['a foreign key', '{"wibblewobble": 1}', 'known keys: $schema, gateway, admin'],
    ['a misspelt limit', '{"limits": {"default": {"cpuMS": 1}}}', 'did you mean "cpuMs"?'],
    ['a section of the wrong type', '{"gateway": []}', 'gateway is []; it must be an object'],
    ['a list at the top', '[]', ':1:1: the value is []; it must be an object with the sections'],
    ['a double key', '{"drainMs": 1, "drainMs": 2}', ':1:16: the key drainMs appears twice'],
    ['__proto__', '{"__proto__": {"drainMs": 1}}', ':1:2: the key "__proto__" is not allowed'],
    ['broken syntax', '{"drainMs": }', ':1:13: a value is expected here'],
    ['an empty file', '', 'the file is empty'],
    [
      'a cordon name',
      '{"cells": {"cordons": {"Big": []}}}',
      ':1:24: cells.cordons.Big: the key is not allowed',
    ],
    [
      'a weight of nothing',
      '{"cells": {"weights": {"acme": 0}}}',
      ':1:32: cells.weights.acme is 0; it must be a number from 0.01 to 100',
    ],
    [
      'a tenant in two cordons',
      '{"cells": {"cordons": {"a": ["acme"], "b": ["acme"]}}}',
      ':1:45: cells.cordons.b[0] is "acme", which is in cordon "a" already',
    ],
    [
      'a default above the maximum',
      '{"limits": {"default": {"cpuMs": 200}, "maximum": {"cpuMs": 100}}}',
      ':1:34: limits.default.cpuMs is 200; it must be at most limits.maximum.cpuMs, 100',
    ],
    [
      'a cell smaller than one service',
      '{"cells": {"residentMb": 100}}',
      ':1:26: cells.residentMb is 100; it must be at least 128',
    ],
  ])('%s in the file', (_what, text, message) => {
    write('vela.config.jsonc', text)
    const error = failure(() => load())
    expect(error.code).toBe('VELA_CONFIG_INVALID')
    expect(error.message).toContain(message)
    expect(error.message).toContain('vela.config.jsonc')
  })

  test('a variable is named', () => {
    const error = failure(() => load({ env: { VELA_GATEWAY_PORT: 'tcp://10.0.0.1:80' } }))
    expect(error.message).toContain(
      'environment variable VELA_GATEWAY_PORT: gateway.port is "tcp://10.0.0.1:80"',
    )
    expect(error.details).toMatchObject({ key: 'gateway.port', origin: { kind: 'env' } })
  })

  test('a flag is named', () => {
    const error = failure(() => load({ flags: { adminPort: '80x' } }))
    expect(error.message).toContain('flag --admin-port: admin.port is "80x"; it must be a port')
  })

  test('the variable is blamed for its value even when the file is right, and the file when it is not overridden', () => {
    write('vela.config.jsonc', { gateway: { port: 1, headerBytes: 5 } })
    const env = { VELA_GATEWAY_PORT: '2' }
    expect(failure(() => load({ env })).message).toMatch(
      /vela\.config\.jsonc:1:\d+: gateway\.headerBytes is 5/,
    )
  })

  test('a misspelt variable is refused, a foreign one is not', () => {
    expect(failure(() => load({ env: { VELA_GATEWAY_PROT: '1' } })).message).toContain(
      'did you mean VELA_GATEWAY_PORT?',
    )
    expect(failure(() => load({ env: { VELA_CELLS_UNKNOWN_THING: '1' } })).message).toContain(
      'not a known setting',
    )
    const foreign = {
      VELA_ADMIN_TOKEN: 'x',
      VELA_SERVICE_HOST: '10.0.0.1',
      VELA_GATEWAY_SERVICE_PORT: '1',
      VELA_HOME: '/',
    }
    expect(load({ env: { ...foreign, VELA_GATEWAY_PORT_80_TCP: 'tcp://x' } }).gateway.port).toBe(8787)
  })

  test('broken JSON in a variable is shown with its place', () => {
    const error = failure(() => load({ env: { VELA_CELLS_CORDONS: '{"a": [' } }))
    expect(error.message).toContain('VELA_CELLS_CORDONS')
  })

  test('a file that is not there, a folder and a huge file cannot be read', () => {
    expect(failure(() => load({ file: 'no.jsonc' }))).toMatchObject({ code: 'VELA_CONFIG_UNREADABLE' })
    expect(failure(() => load({ file: '.' })).message).toContain('is not a file')
    symlinkSync('/dev/zero', join(cwd, 'zero.jsonc'))
    expect(failure(() => load({ file: 'zero.jsonc' })).message).toContain('is not a file')
    write('huge.jsonc', `{}${' '.repeat(300_000)}`)
    expect(failure(() => load({ file: 'huge.jsonc' })).message).toContain('at most')
  })
})

describe('for embedders', () => {
  test('a part of the configuration is enough', () => {
    const config = parseConfig({ gateway: { port: 0 }, data: null, limits: { default: { cpuMs: 10 } } })
    expect(config).toMatchObject({
      gateway: { port: 0 },
      data: null,
      limits: { default: { cpuMs: 10, wallMs: 30_000 } },
    })
  })

  test('what loadConfig made is taken as it is', () => {
    const config = load({ env: { VELA_LIMITS_MAXIMUM_CPU_MS: '50' }, flags: { data: null } })
    expect(parseConfig(config)).toEqual(config)
  })

  test('a member that is undefined counts as not given', () => {
    expect(parseConfig({ gateway: { port: undefined }, data: undefined })).toEqual(parseConfig())
  })

  test('the errors are the same', () => {
    expect(failure(() => parseConfig({ gateway: { porrt: 1 } })).message).toBe(
      'configuration: gateway.porrt is not a known key; did you mean "port"?',
    )
    expect(failure(() => parseConfig(null)).code).toBe('VELA_CONFIG_INVALID')
    expect(failure(() => parseConfig({ policy: { f: () => 1 } })).message).toContain('only JSON values')
    const loop: Record<string, unknown> = {}
    loop['policy'] = loop
    expect(failure(() => parseConfig(loop)).message).toContain('nested')
    const accessor = {
      get gateway(): never {
        throw new Error('no')
      },
    }
    expect(failure(() => parseConfig(accessor)).code).toBe('VELA_CONFIG_INVALID')
  })

  test('whatever is given, the answer is a configuration or a VelaError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.object(), fc.anything()), (input) => {
        try {
          parseConfig(input)
        } catch (error) {
          expect(error).toBeInstanceOf(VelaError)
        }
      }),
    )
    fc.assert(
      fc.property(fc.constantFrom(...listSettings()), fc.string({ minLength: 1 }), ({ path }, text) => {
        try {
          load({ env: { [variableName(path)]: text } })
        } catch (error) {
          expect(error).toBeInstanceOf(VelaError)
          expect((error as VelaError).message).not.toMatch(/[\n\r\0]/)
        }
      }),
    )
  })
})
