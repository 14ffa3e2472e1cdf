/**
 * Nothing that crypto.subtle gives depends on anything but the guest's random stream: a replay computes the same keys,
 * signatures and ciphertexts, and another stream others.
 */
import { expect, test } from 'vitest'
import { curveNamed } from '../../sandbox/engine/crypto/curves.ts'
import { signDigest } from '../../sandbox/engine/crypto/ecdsa.ts'
import { digest, hashNamed } from '../../sandbox/engine/crypto/hashes.ts'
import { createPair, seededBytes, type KeyPair } from './subtle-support.ts'

async function everythingRandom(): Promise<string[]> {
  const { subtle } = crypto
  const made: string[] = []
  const data = unhex('616263')
  for (const algorithm of [
    { name: 'AES-GCM', length: 256 },
    { name: 'HMAC', hash: 'SHA-256' },
  ]) {
    const usage = algorithm.name === 'HMAC' ? 'sign' : 'encrypt'
    const key = await subtle.generateKey(algorithm as { name: string; length: number }, true, [usage])
    made.push(hex(await subtle.exportKey('raw', key)))
  }
  const rsa = { modulusLength: 1024, publicExponent: unhex('010001'), hash: 'SHA-256' }
  const signers: readonly (readonly [algorithm: { name: string; namedCurve?: string }, params: object])[] = [
    [{ name: 'RSASSA-PKCS1-v1_5', ...rsa }, {}],
    [{ name: 'RSA-PSS', ...rsa }, { saltLength: 32 }],
    [{ name: 'ECDSA', namedCurve: 'P-256' }, { hash: 'SHA-256' }],
    [{ name: 'ECDSA', namedCurve: 'P-521' }, { hash: 'SHA-512' }],
    [{ name: 'Ed25519' }, {}],
  ]
  for (const [algorithm, params] of signers) {
    const pair = (await subtle.generateKey(algorithm, true, ['sign', 'verify'])) as KeyPair
    made.push(hex(await subtle.exportKey('pkcs8', pair.privateKey)))
    const how = { name: algorithm.name, ...params }
    made.push(hex(await subtle.sign(how, pair.privateKey, data)))
    made.push(hex(await subtle.sign(how, pair.privateKey, data)))
  }
  for (const algorithm of [{ name: 'ECDH', namedCurve: 'P-384' }, { name: 'X25519' }]) {
    const pair = (await subtle.generateKey(algorithm, true, ['deriveBits'])) as KeyPair
    made.push(hex(await subtle.exportKey('pkcs8', pair.privateKey)))
  }
  const oaep = (await subtle.generateKey({ name: 'RSA-OAEP', ...rsa }, true, [
    'encrypt',
    'decrypt',
  ])) as KeyPair
  made.push(hex(await subtle.encrypt('RSA-OAEP', oaep.publicKey, data)))
  made.push(hex(await subtle.encrypt('RSA-OAEP', oaep.publicKey, data)))
  return made
}

async function runWith(seed: string): Promise<string[]> {
  const { guest } = createPair(seededBytes(seed))
  try {
    return await guest.run(everythingRandom)
  } finally {
    guest.close()
  }
}

test('the same random stream gives the same keys, signatures and ciphertexts, and another one others', async () => {
  const [first, again, other] = [await runWith('a'), await runWith('a'), await runWith('b')]
  expect(again).toEqual(first)
  expect(first).toHaveLength(21)
  const shared = first.filter((value) => other.includes(value))
  expect(shared).toEqual([])
})

test('signing twice with one key repeats no nonce where the scheme is random', async () => {
  const made = await runWith('c')
  // After AES and HMAC, three results for each of the signers: key, signature, signature.
  const repeated = [0, 1, 2, 3, 4].map((signer) => made[2 + signer * 3 + 1] === made[2 + signer * 3 + 2])
  expect(repeated).toEqual([true, false, false, false, true])
  const [first, second] = [made[9], made[10]].map((signature) => signature?.slice(0, 64))
  expect(first).not.toBe(second)
  expect(made.at(-1)).not.toBe(made.at(-2))
})

/** RFC 6979, A.2.5 and A.2.7. */
test.each([
  [
    'P-256',
    'SHA-256',
    'c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721',
    'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716' +
      'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8',
  ],
  [
    'P-521',
    'SHA-512',
    '00fad06daa62ba3b25d2fb40133da757205de67f5bb0018fee8c86e1b68c7e75caa896eb32f1f47c70855836a6d16fcc1466f6d8fbec67db89ec0c08b0e996b83538',
    '00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b534931d7d4e8455cc91f9b15bf05ec36e377fa' +
      '00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37ff0777b1a20f8ccb1dccc43997f1ee0e44da4a67a',
  ],
])('without a hedge, ECDSA over %s is the one of RFC 6979', (curve, hash, key, signature) => {
  const hashed = digest(hashNamed(hash), Buffer.from('sample'))
  const made = signDigest(curveNamed(curve), hashNamed(hash), BigInt(`0x${key}`), hashed, Buffer.alloc(0), 7n)
  expect(made.toString('hex')).toBe(signature)
})
