/** HKDF and PBKDF2: keys that only other keys are derived from. */
import { checkUsages, keyData, USAGE } from './subtle-key.ts'
import type { Kit } from './subtle-kit.ts'
import type { Algorithm, Dictionary, Params } from './subtle-params.ts'

export const hkdf = (kit: Kit): Algorithm =>
  derivation(
    kit,
    'HKDF',
    [
      ['hash', 'hash', 'required'],
      ['info', 'bytes', 'required'],
      ['salt', 'bytes', 'required'],
    ],
    ({ hash, salt, info }, material, bytes) =>
      kit.call('deriveBits', `HKDF ${hash} ${bytes}`, material, salt, info),
  )

export const pbkdf2 = (kit: Kit): Algorithm =>
  derivation(
    kit,
    'PBKDF2',
    [
      ['hash', 'hash', 'required'],
      ['iterations', 'u32', 'required'],
      ['salt', 'bytes', 'required'],
    ],
    ({ hash, iterations, salt }, material, bytes) =>
      kit.call('deriveBits', `PBKDF2 ${hash} ${iterations} ${bytes}`, material, salt),
  )

function derivation(
  kit: Kit,
  name: string,
  dictionary: Dictionary,
  derive: (params: Params, material: string, bytes: number) => string,
): Algorithm {
  return {
    name,
    dictionaries: { importKey: [], deriveBits: dictionary, keyLength: [] },
    keyLength: () => null,
    importKey(format, data, _params, extractable, usages) {
      if (format !== 'raw') throw kit.error('NotSupportedError', `${name}: a key has no format ${format}`)
      checkUsages(kit, usages, USAGE.deriveKey | USAGE.deriveBits)
      if (extractable) throw kit.error('SyntaxError', `${name}: a key cannot be extractable`)
      return keyData({ type: 'secret', name, material: data as string, extractable, usages })
    },
    deriveBits(params, key, length) {
      if (length === null || length % 8 !== 0) {
        throw kit.error('OperationError', `${name}: length must be a multiple of 8`)
      }
      return derive(params, key.material, length / 8)
    },
  }
}
