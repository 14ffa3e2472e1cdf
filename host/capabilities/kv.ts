/**
 * The capability `kv`: keys and values in a namespace of the tenant. `{}` asks for one binding `kv` on the namespace that
 * is called like the service; `{"CARTS": {"namespace": "carts", "prefix": "eu/", "access": "read"}}` says it in full.
 * The tenant comes from the deployment and from nowhere else: nothing that a manifest or a guest can write names another
 * one. A policy: `{"quotaMb": 256, "namespaces": ["carts"]}`; the quota is the tenant's, over all its namespaces.
 */
import { z } from 'zod'
import type { KvStore } from '../kv/types.ts'
import { DEFAULT_QUOTA_BYTES, MAX_KEY_BYTES, MEBIBYTE } from '../kv/types.ts'
import { isName } from '../registry/names.ts'
import type { JsonValue } from '../registry/types.ts'
import { AskProblem } from './capability.ts'
import type { Binding, CapabilityKind, Place, Refusal } from './capability.ts'
import { createKvCalls } from './kv-calls.ts'

export interface KvOptions {
  /** null: the one called like the service. */
  readonly namespace: string | null
  /** In front of every key, unseen by the guest. */
  readonly prefix: string
  /** 'write': and read. */
  readonly access: 'read' | 'write'
  /** Only a policy sets it; null: the default. */
  readonly quotaMb: number | null
}

const MOST_BINDINGS = 32
// What is left of a key behind the longest prefix must still be a name.
const MOST_PREFIX_BYTES = MAX_KEY_BYTES / 2

const NAME = 'must be a name of at most 63 lower-case letters, digits and inner hyphens'
const namespace = z.string(NAME).refine((name) => isName('namespace', name), NAME)
const PREFIX = `must be a text of at most ${MOST_PREFIX_BYTES} bytes, without lone surrogates`
const prefix = z
  .string(PREFIX)
  .refine((text) => text.isWellFormed() && Buffer.byteLength(text) <= MOST_PREFIX_BYTES, PREFIX)
const bindingSchema = z.strictObject({
  namespace: namespace.optional(),
  prefix: prefix.optional(),
  access: z.enum(['read', 'write'], 'must be "read" or "write"').optional(),
})
const policySchema = z.strictObject({
  quotaMb: z
    .number()
    .positive()
    .max(1024 * 1024)
    .optional(),
  namespaces: z.array(namespace).optional(),
})

export function createKvKind(kv: KvStore): CapabilityKind<KvOptions> {
  return {
    kind: 'kv',
    defaultPolicy: true,
    takesDeadline: true,
    checkPolicy: (policy) =>
      policySchema.safeParse(policy).success
        ? undefined
        : 'must be true, false or {"quotaMb": a number, "namespaces": [names]}',
    parse,
    narrow,
    describe,
    open: (options, place) =>
      createKvCalls({
        store: kv,
        namespace: kv.namespace(place.tenant, options.namespace ?? place.service),
        prefix: options.prefix,
        canWrite: options.access === 'write',
        quotaBytes: options.quotaMb === null ? DEFAULT_QUOTA_BYTES : Math.floor(options.quotaMb * MEBIBYTE),
      }),
  }
}

function parse(asked: JsonValue): readonly Binding<KvOptions>[] {
  if (asked === true) return [{ name: 'kv', options: DEFAULTS }]
  if (typeof asked !== 'object' || asked === null || Array.isArray(asked))
    throw new AskProblem([], 'must be {} or an object of bindings, such as {"CARTS": {"namespace": "carts"}}')
  const bindings = Object.entries(asked)
  if (bindings.length === 0) return [{ name: 'kv', options: DEFAULTS }]
  if (bindings.length > MOST_BINDINGS) throw new AskProblem([], `must have at most ${MOST_BINDINGS} bindings`)
  return bindings.map(([name, value]) => ({ name, options: parseBinding(name, value) }))
}

const DEFAULTS: KvOptions = { namespace: null, prefix: '', access: 'write', quotaMb: null }

function parseBinding(name: string, asked: JsonValue): KvOptions {
  if (asked === true) return DEFAULTS
  const read = bindingSchema.safeParse(asked)
  if (read.success) {
    const { namespace = null, prefix = '', access = 'write' } = read.data
    return { ...DEFAULTS, namespace, prefix, access }
  }
  const issue = read.error.issues[0]
  const path = (issue?.path ?? []).map((step) => (typeof step === 'symbol' ? String(step) : step))
  throw new AskProblem(
    [name, ...path],
    path.length > 0
      ? (issue?.message ?? 'is not valid')
      : 'must be {} or an object with "namespace", "prefix" and "access"',
  )
}

function narrow(options: KvOptions, policy: JsonValue, place: Place): KvOptions | Refusal {
  if (policy === true) return options
  const read = policySchema.safeParse(policy)
  if (!read.success) return { refused: "the operator's policy of kv is not understood" }
  const { quotaMb = null, namespaces } = read.data
  const name = options.namespace ?? place.service
  if (namespaces !== undefined && !namespaces.includes(name))
    return { refused: `the operator's policy does not allow the kv namespace ${name}` }
  return { ...options, quotaMb }
}

function describe({ namespace, prefix, access, quotaMb }: KvOptions): string {
  const what = access === 'read' ? 'read' : 'read and write'
  const where = namespace === null ? 'the namespace of the service' : `the namespace ${namespace}`
  const which = prefix === '' ? '' : `, keys that begin with ${JSON.stringify(prefix)}`
  const most = quotaMb === null ? '' : `, up to ${quotaMb} MiB for the tenant`
  return `${what} ${where}${which}${most}`
}
