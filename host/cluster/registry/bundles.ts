/**
 * Code and manifests of versions, where all hosts find them: bundles in the object store, compressed, once per tenant and digest;
 * manifests in a bucket that nobody watches. Both are written before the service's key names them, so a host that is stopped in
 * between leaves something that nobody sees. What arrives is digested again: a damaged bundle is fetched once more, and never run.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { ObjectStore } from '@nats-io/obj'
import { VelaError } from '../../core/errors.ts'
import type { Nats } from '../../nats/nats.ts'
import { canonicalJson } from '../../registry/canonical-json.ts'
import type { Bundle, Deployment, Manifest } from '../../registry/types.ts'
import { digestContent } from '../../registry/version.ts'
import { openObjects } from '../buckets.ts'
import { fetchBlob } from './blobs.ts'
import { fieldsOf, type VersionEntry } from './records.ts'
import type { Truth } from './truth.ts'

export interface Bundles {
  /** Resolves when both can be read by every host. Rejects VELA_CLUSTER_UNAVAILABLE. */
  put(deployment: Deployment, bundle: Bundle): Promise<{ readonly content: string; readonly bundle: string }>
  /** Puts it again if a sweep took it for garbage a moment before a version named it. */
  keep(deployment: Deployment, bundle: Bundle, names: { readonly bundle: string }): Promise<void>
  /** Without the code. Undefined when it is gone. */
  deployment(tenant: string, service: string, entry: VersionEntry): Promise<Deployment | undefined>
  bundle(tenant: string, service: string, entry: VersionEntry, manifest: Manifest): Promise<Bundle>
  /** Drops what is older than that and named by no version. Resolves to how many. */
  sweep(
    isUsed: (tenant: string, digest: string) => boolean,
    isListed: (tenant: string, service: string, version: string) => boolean,
    olderThanMs: number,
  ): Promise<number>
}

const ATTEMPTS = 3
const CHUNK_TIMEOUT_MS = 15_000
const MAX_BUNDLE_BYTES = 256 * 1024 * 1024

export function createBundles(nats: Nats, truth: Truth): Bundles {
  const store = (): Promise<ObjectStore> => openObjects(nats, `${nats.prefix}-bundles`)
  const objectOf = (tenant: string, digest: string): string => `${tenant}/${digest}`
  const keyOf = (tenant: string, service: string, entry: { version: string; content: string }): string =>
    `${tenant}.${service}.${entry.version}.${entry.content.slice(0, 32)}`

  const put: Bundles['put'] = async (deployment, bundle) => {
    const { tenant, service, manifest, version } = deployment
    const digest = digestContent(bundle, canonicalJson(manifest))
    const names = {
      content: Buffer.from(digest.content).toString('hex'),
      bundle: Buffer.from(digest.bundle).toString('hex'),
    }
    const objects = await store()
    const name = objectOf(tenant, names.bundle)
    // Whatever is there: it may be damaged, or about to be swept.
    await objects.putBlob({ name }, pack(bundle), { timeout: CHUNK_TIMEOUT_MS })
    const versions = await truth.versions()
    await versions.put(
      keyOf(tenant, service, { version, content: names.content }),
      JSON.stringify({ v: 1, ...deployment }),
    )
    return names
  }

  const fetchOnce = async (
    tenant: string,
    entry: VersionEntry,
    manifest: Manifest,
  ): Promise<Bundle | undefined> => {
    const bytes = await fetchBlob(
      nats,
      `${nats.prefix}-bundles`,
      objectOf(tenant, entry.bundle),
      MAX_BUNDLE_BYTES,
    )
    const bundle = bytes === undefined ? undefined : unpack(bytes)
    if (bundle === undefined) return undefined
    const digest = digestContent(bundle, canonicalJson(manifest))
    return Buffer.from(digest.content).toString('hex') === entry.content ? bundle : undefined
  }

  return {
    keep: (deployment, bundle, { bundle: digest }) =>
      guarded('storing a bundle', async () => {
        const known = await (await store()).info(objectOf(deployment.tenant, digest))
        if (known === null || known.deleted) await put(deployment, bundle)
      }),
    put: (deployment, bundle) => guarded('storing a bundle', () => put(deployment, bundle)),
    async deployment(tenant, service, entry) {
      const found = await guarded('reading a version', async () =>
        (await truth.versions()).get(keyOf(tenant, service, entry)),
      )
      return found === null ? undefined : deploymentOf(found.value, tenant, service, entry)
    },
    async bundle(tenant, service, entry, manifest) {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const bundle = await guarded('fetching a bundle', () => fetchOnce(tenant, entry, manifest))
        if (bundle !== undefined) return bundle
      }
      throw new VelaError(
        'VELA_STORE_DAMAGED',
        `The code of ${tenant}/${service} ${entry.version} is missing or damaged in the cluster’s object store. Deploy the service again.`,
        { details: { tenant, service, version: entry.version } },
      )
    },
    async sweep(isUsed, isListed, olderThanMs) {
      let swept = 0
      const objects = await store()
      for (const { name, deleted, mtime } of await objects.list()) {
        const slash = name.indexOf('/')
        if (deleted || Date.now() - Date.parse(mtime) < olderThanMs) continue
        const isWanted = (): boolean => isUsed(name.slice(0, slash), name.slice(slash + 1))
        if (isWanted()) continue
        // A deploy may have put it again since it was listed.
        const now = await objects.info(name)
        if (now === null || now.deleted || Date.now() - Date.parse(now.mtime) < olderThanMs || isWanted())
          continue
        await objects.delete(name)
        swept++
      }
      const versions = await truth.versions()
      for await (const key of await versions.keys()) {
        const [tenant = '', service = '', version = ''] = key.split('.')
        if (isListed(tenant, service, version)) continue
        const entry = await versions.get(key)
        if (entry === null || Date.now() - entry.created.getTime() < olderThanMs) continue
        await versions.purge(key, { previousSeq: entry.revision })
        swept++
      }
      return swept
    },
  }
}

async function guarded<Result>(doing: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof VelaError) throw cause
    throw new VelaError('VELA_CLUSTER_UNAVAILABLE', `NATS did not answer while ${doing}. Try again.`, {
      cause,
    })
  }
}

/** Length of the source, source, source map if there is one: compressed as one. */
function pack({ source, sourceMap }: Bundle): Uint8Array {
  const code = Buffer.from(source)
  const head = Buffer.alloc(5)
  head.writeUInt32LE(code.length)
  head[4] = sourceMap === null ? 0 : 1
  return zstdCompressSync(Buffer.concat([head, code, Buffer.from(sourceMap ?? '')]))
}

function unpack(bytes: Uint8Array): Bundle | undefined {
  try {
    const plain = zstdDecompressSync(bytes, { maxOutputLength: MAX_BUNDLE_BYTES })
    const end = 5 + plain.readUInt32LE(0)
    if (end > plain.length) return undefined
    const source = plain.toString('utf8', 5, end)
    return { source, sourceMap: plain[4] === 1 ? plain.toString('utf8', end) : null }
  } catch {
    return undefined
  }
}

/** Its manifest is checked with the bundle: both together have the content's digest. */
function deploymentOf(
  bytes: Uint8Array,
  tenant: string,
  service: string,
  entry: VersionEntry,
): Deployment | undefined {
  const fields = fieldsOf(bytes)
  const manifest = fields?.['manifest']
  if (fields === undefined || typeof manifest !== 'object' || manifest === null) return undefined
  const count = (value: unknown): number => (typeof value === 'number' && value >= 0 ? value : 0)
  return {
    tenant,
    service,
    version: entry.version,
    manifest: manifest as Manifest,
    sizeBytes: Math.trunc(count(fields['sizeBytes'])),
    startupMs: count(fields['startupMs']),
    ...(fields['startsAtOnce'] === true ? { startsAtOnce: true } : {}),
    createdAt: Math.trunc(count(fields['createdAt'])),
  }
}
