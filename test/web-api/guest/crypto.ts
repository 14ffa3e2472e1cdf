/** Crypto by the Web Cryptography API: random values. The rest is in subtle-*.ts. */
import { ok, same, throws, wrong, type Checks } from './expect.ts'

export const random: Checks = {
  'Crypto: getRandomValues fills and returns the same array': () => {
    const array = new Uint8Array(64)
    ok(crypto.getRandomValues(array) === array)
    ok(array.some((byte) => byte !== 0))
  },
  'Crypto: getRandomValues fills views of every integer type, within their bounds': () => {
    for (const Type of [
      Int8Array,
      Uint8Array,
      Uint8ClampedArray,
      Int16Array,
      Uint16Array,
      Int32Array,
      Uint32Array,
      BigInt64Array,
      BigUint64Array,
    ]) {
      ok(crypto.getRandomValues(new Type(16)).some((value) => Number(value) !== 0))
    }
    const whole = new Uint8Array(32)
    crypto.getRandomValues(whole.subarray(8, 24))
    ok(whole.subarray(0, 8).every((byte) => byte === 0) && whole.subarray(24).every((byte) => byte === 0))
  },
  'Crypto: getRandomValues refuses floats and DataView with TypeMismatchError': () => {
    throws('TypeMismatchError', () => crypto.getRandomValues(wrong(new Float64Array(1))))
    throws('TypeMismatchError', () => crypto.getRandomValues(wrong(new Float32Array(1))))
    throws('TypeMismatchError', () => crypto.getRandomValues(wrong(new DataView(new ArrayBuffer(1)))))
  },
  'Crypto: getRandomValues refuses what is no view with TypeError': () => {
    throws('TypeError', () => crypto.getRandomValues(wrong(null)))
    throws('TypeError', () => crypto.getRandomValues(wrong(new ArrayBuffer(1))))
    throws('TypeError', () => crypto.getRandomValues(wrong([1])))
  },
  'Crypto: getRandomValues gives at most 65536 bytes a call': () => {
    same(crypto.getRandomValues(new Uint8Array(65_536)).length, 65_536)
    throws('QuotaExceededError', () => crypto.getRandomValues(new Uint8Array(65_537)))
    throws('QuotaExceededError', () => crypto.getRandomValues(new Uint32Array(16_385)))
  },
  'Crypto: two calls differ': () => {
    const make = (): string => String(crypto.getRandomValues(new Uint8Array(16)))
    ok(make() !== make())
  },
  'Crypto: randomUUID is a version 4 UUID': () => {
    const uuid = crypto.randomUUID()
    ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid))
    ok(uuid !== crypto.randomUUID())
  },
  'Crypto: subtle is the same object each time': () => {
    ok(crypto.subtle === crypto.subtle)
    ok(crypto.subtle instanceof SubtleCrypto)
  },
  'Crypto: neither it, SubtleCrypto nor CryptoKey can be constructed': () => {
    for (const Type of [Crypto, SubtleCrypto, CryptoKey])
      throws('TypeError', () => Reflect.construct(Type, []))
  },
}
