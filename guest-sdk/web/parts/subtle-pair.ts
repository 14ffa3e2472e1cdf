/** What algorithms with a public and a private key share: which usages go with which half, and making both. */
import { checkUsages, keyData, type KeyData, type KeyPairData, type KeyType } from './subtle-key.ts'
import type { Kit } from './subtle-kit.ts'

export interface PairUsages {
  readonly public: number
  readonly private: number
}

type Details = Pick<KeyData, 'name'> & Partial<KeyData>

export function generatePair(
  kit: Kit,
  words: string,
  details: Details,
  allowed: PairUsages,
  extractable: boolean,
  usages: number,
): KeyPairData {
  checkUsages(kit, usages, allowed.public | allowed.private)
  // Found out before any prime is searched.
  if ((usages & allowed.private) === 0) {
    throw kit.error('SyntaxError', 'The private key would have no usage')
  }
  const result = kit.call('generateKey', words)
  const head = kit.indexOf(result, '\n')
  const end = head + 1 + +kit.slice(result, 0, head)
  return {
    publicKey: keyData({
      ...details,
      type: 'public',
      extractable: true,
      usages: usages & allowed.public,
      material: kit.slice(result, end),
    }),
    privateKey: keyData({
      ...details,
      type: 'private',
      extractable,
      usages: usages & allowed.private,
      material: kit.slice(result, head + 1, end),
    }),
  }
}

/** Throws an InvalidAccessError unless `key` is the half that an operation or a format takes. */
export function needHalf(kit: Kit, key: KeyData, type: KeyType, what: string): void {
  if (key.type !== type) throw kit.error('InvalidAccessError', `${what} takes a ${type} key`)
}
