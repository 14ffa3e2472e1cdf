/** A key-value store that ends with its test, calls of a binding as a guest would make them, and hosts to kill. */
import { onTestFinished } from 'vitest'
import { createBroker } from '../../host/capabilities/broker.ts'
import type {
  Capability,
  CapabilityCall,
  CapabilityKind,
  CapabilityResult,
} from '../../host/capabilities/capability.ts'
import { createKvKind } from '../../host/capabilities/kv.ts'
import { openKv, type KvOptions } from '../../host/kv/store.ts'
import type { KvEntry, KvNamespace, KvStore } from '../../host/kv/types.ts'
import type { JsonValue } from '../../host/registry/types.ts'

/** In memory unless the options say where. */
export async function open(options: Partial<KvOptions> = {}): Promise<KvStore> {
  const store = await openKv({ dataDir: null, ...options })
  onTestFinished(() => store.close())
  return store
}

export const bytes = (text: string): Buffer => Buffer.from(text)

export async function textOf(namespace: KvNamespace, key: string): Promise<string | null> {
  const entry = await namespace.get(key)
  return entry === null ? null : decode(entry)
}

export const decode = (entry: KvEntry): string => Buffer.from(entry.value).toString('utf8')

export interface Answer {
  readonly value: JsonValue | undefined
  readonly bytes: Buffer
}

export interface Guest {
  call(method: string, args?: JsonValue[], body?: CapabilityCall['body']): Promise<Answer>
  readonly capability: Capability
}

/** The one binding that `asked` stands for, narrowed by `policy`, in the hands of a deployment. */
export function guestOf(kv: KvStore, path: string, asked: JsonValue = {}, policy: JsonValue = true): Guest {
  const [tenant = '', service = ''] = path.split('/')
  const place = { tenant, service, version: '000000000000' }
  const kind = createKvKind(kv)
  const [binding] = kind.parse(asked)
  if (binding === undefined) throw new Error('no binding')
  const narrowed = kind.narrow(binding.options, policy, place)
  if ('refused' in narrowed) throw new Error(narrowed.refused)
  const capability = kind.open(narrowed, place)
  return {
    capability,
    async call(method, args = [], body) {
      const result = await capability.call(callOf(method, args, body))
      return { value: result.value, bytes: await drain(result.body) }
    },
  }
}

/** The same with the broker before it, as real guests have it: what it hides of errors is hidden. */
export function brokered(kv: KvStore): (method: string, args?: JsonValue[]) => Promise<CapabilityResult> {
  const kind = createKvKind(kv) as unknown as CapabilityKind
  const grants = createBroker({
    kinds: new Map([['kv', kind]]),
    policy: { of: () => true },
    decisionOf: () => undefined,
    epoch: () => 0,
    hosts: () => 0,
    onFailure: () => undefined,
  }).open({
    tenant: 'acme',
    service: 'shop',
    version: '0',
    manifest: { name: 'shop', engine: 'v8', routes: [], limits: {}, vars: {}, capabilities: { kv: {} } },
    sizeBytes: 0,
    startupMs: 0,
    createdAt: 0,
  })
  return async (method, args = []) => await grants.perform(0, callOf(method, args))
}

const NOWHERE: CapabilityCall['origin'] = { gone: false, onGone: () => () => undefined }

export function callOf(
  method: string,
  args: JsonValue[],
  body?: CapabilityCall['body'],
  signal: AbortSignal = new AbortController().signal,
): CapabilityCall {
  return { origin: NOWHERE, method, args, body, requestId: '', deadlineMs: Infinity, depth: 0, signal }
}

async function drain(body: Uint8Array | AsyncIterable<Uint8Array> | undefined): Promise<Buffer> {
  if (body === undefined) return Buffer.alloc(0)
  if (body instanceof Uint8Array) return Buffer.from(body)
  return Buffer.concat(await Array.fromAsync(body))
}
