import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openRegistry } from '../../host/registry/registry.ts'
import { makeDataDir } from '../data-dir.ts'
import { open, withCode } from './support.ts'

describe('tokens', () => {
  it('are verified by their text, which is kept nowhere', async () => {
    const dataDir = await makeDataDir()
    const registry = await openRegistry({ dataDir })
    const { token, record } = await registry.createToken(null, ['invoke', 'admin', 'admin'])
    expect(token).toMatch(/^vela_[A-Za-z0-9_-]{43}$/)
    expect(record).toMatchObject({ tenant: null, scopes: ['admin', 'invoke'] })
    expect(await registry.verifyToken(token)).toEqual(record)
    for (const wrong of [
      '',
      `${token}x`,
      token.slice(0, -1),
      token.toUpperCase(),
      record.id,
      'x'.repeat(100_000),
    ]) {
      expect(await registry.verifyToken(wrong)).toBeUndefined()
    }
    await registry.close()
    expect(await readFile(join(dataDir, 'store.sqlite'), 'latin1')).not.toContain(token.slice(5))
  })

  it('end when they are deleted', async () => {
    const registry = await open()
    await registry.createTenant('acme')
    const { token, record } = await registry.createToken('acme', ['read'])
    await registry.createToken(null, ['admin'])
    expect(await registry.listTokens('acme')).toEqual([record])
    expect(await registry.listTokens()).toHaveLength(2)
    await registry.deleteToken(record.id)
    expect(await registry.verifyToken(token)).toBeUndefined()
  })

  it('may have a given text, which means the same token when it is given again', async () => {
    const warnings: string[] = []
    const registry = await open({ onLog: (_level, message) => warnings.push(message) })
    const { record } = await registry.createToken(null, ['admin'], 'hunter2')
    expect(warnings.join()).toMatch(/can be guessed/)
    expect((await registry.createToken(null, ['admin'], 'hunter2')).record).toEqual(record)
    await expect(registry.createToken(null, ['read'], 'hunter2')).rejects.toEqual(
      withCode('VELA_ADMIN_BAD_REQUEST'),
    )
    for (const text of ['', 'two words', 'line\nbreak', 'é'.repeat(20)]) {
      await expect(registry.createToken(null, ['admin'], text)).rejects.toEqual(
        withCode('VELA_ADMIN_BAD_REQUEST'),
      )
    }
  })

  it('are refused without a scope, with an unknown one, and for a tenant that is not there', async () => {
    const registry = await open()
    await expect(registry.createToken(null, [])).rejects.toEqual(withCode('VELA_ADMIN_BAD_REQUEST'))
    await expect(registry.createToken(null, JSON.parse('["root"]'))).rejects.toEqual(
      withCode('VELA_ADMIN_BAD_REQUEST'),
    )
    await expect(registry.createToken('acme', ['read'])).rejects.toEqual(withCode('VELA_TENANT_NOT_FOUND'))
  })
})
