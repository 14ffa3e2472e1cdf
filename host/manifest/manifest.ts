/**
 * The manifest: what a service declares about itself, as data. It comes from tenants, as a file (with places for
 * messages) or as JSON through the admin API; both pass the same schema, and what leaves here is a plain copy.
 * Whether a tenant may have what it asks for (limits, routes, capabilities, engine) is the host's to decide later.
 */
import { z } from 'zod'
import { type KeyPath, parseDocument, type Position, printPath } from '../core/config-document.ts'
import { CAPABILITY_SCHEMAS } from './capability-schemas.ts'
import { copyJson, explainIssues, type Problem } from '../core/config-problem.ts'
import { VelaError } from '../core/errors.ts'
import type { JsonValue, Manifest } from '../registry/types.ts'
import { manifestSchema, type ParsedManifest, WRANGLER_KEYS } from './manifest-schema.ts'
import { parseRoute } from './route.ts'
import { readCapabilities, readSchedules } from './wrangler.ts'

export const MAX_MANIFEST_BYTES: number = 64 * 1024

export interface ManifestOptions {
  /** Used when the manifest has no `name`: the folder's. */
  readonly defaultName?: string
}

export function parseManifest(text: string, fileName: string, options: ManifestOptions = {}): Manifest {
  const document = parseDocument(text, {
    fileName,
    code: 'VELA_DEPLOY_INVALID_MANIFEST',
    maxBytes: MAX_MANIFEST_BYTES,
  })
  const result = readManifest(document.value, options)
  if ('manifest' in result) return result.manifest
  const { path, part } = result.problem
  throw manifestError(result.problem, fileName, document.positionOf(path, part))
}

/** For a manifest that is data already: the admin API's body, an embedder's object. */
export function parseManifestJson(value: unknown, options: ManifestOptions = {}): Manifest {
  const copied = copyJson(value)
  if ('problem' in copied) throw manifestError(copied.problem, 'manifest')
  const sizeBytes = Buffer.byteLength(JSON.stringify(copied.value ?? null))
  if (sizeBytes > MAX_MANIFEST_BYTES) {
    const message = `manifest has ${sizeBytes} bytes; at most ${MAX_MANIFEST_BYTES} are allowed`
    throw new VelaError('VELA_DEPLOY_INVALID_MANIFEST', message, {
      details: { sizeBytes, maxBytes: MAX_MANIFEST_BYTES },
    })
  }
  const result = readManifest(copied.value ?? null, options)
  if ('manifest' in result) return result.manifest
  throw manifestError(result.problem, 'manifest')
}

/** For `$schema` of vela.jsonc, so that editors complete and check it. */
export function manifestJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(manifestSchema, { io: 'input', unrepresentable: 'any' })
  const { capabilities } = schema.properties ?? {}
  if (typeof capabilities === 'object') capabilities.properties = CAPABILITY_SCHEMAS
  return { ...schema, title: 'Manifest of a Vela service' }
}

type ReadResult = { readonly manifest: Manifest } | { readonly problem: Problem }

function readManifest(value: JsonValue, options: ManifestOptions): ReadResult {
  const named = withName(value, options.defaultName)
  const result = manifestSchema.safeParse(named)
  if (!result.success) {
    return {
      problem: explainIssues(result.error.issues, named, manifestSchema, (key) => WRANGLER_KEYS.get(key)),
    }
  }
  const routes = readRoutes(result.data)
  if ('problem' in routes) return routes
  const schedules = readSchedules(result.data)
  if ('problem' in schedules) return schedules
  const asked = readCapabilities(result.data)
  if ('problem' in asked) return asked
  const { name, main, engine = 'v8', limits = {}, vars = {} } = result.data
  const { cpu_ms: cpuMs, ...known } = limits
  const manifest: Manifest = {
    name,
    ...(main === undefined ? {} : { main }),
    engine,
    routes: routes.routes,
    limits: cpuMs === undefined ? known : { cpuMs, ...known },
    vars,
    capabilities: asked.capabilities,
    ...(schedules.schedules.length === 0 ? {} : { schedules: schedules.schedules }),
  }
  return { manifest }
}

function withName(value: JsonValue, defaultName: string | undefined): JsonValue {
  if (defaultName === undefined || typeof value !== 'object' || value === null || Array.isArray(value))
    return value
  return Object.hasOwn(value, 'name') ? value : { ...value, name: defaultName }
}

/** wrangler's `route` and `{pattern}` become plain patterns; each is checked and may appear once. */
function readRoutes(
  parsed: ParsedManifest,
): { readonly routes: readonly string[] } | { readonly problem: Problem } {
  const given = [
    ...(parsed.route === undefined ? [] : [{ path: ['route'] as KeyPath, route: parsed.route }]),
    ...(parsed.routes ?? []).map((route, index) => ({ path: ['routes', index] as KeyPath, route })),
  ]
  const routes = new Set<string>()
  for (const { path, route } of given) {
    const plain = typeof route === 'string' ? route : route.pattern
    const place = typeof route === 'string' ? path : [...path, 'pattern']
    // A custom domain of wrangler is a whole host.
    const pattern =
      typeof route === 'object' && route.custom_domain === true && !plain.includes('/') ? `${plain}/*` : plain
    try {
      parseRoute(pattern)
    } catch (error) {
      if (!(error instanceof VelaError)) throw error
      return {
        problem: {
          path: place,
          part: 'value',
          message: `${printPath(place)}: ${error.message}`,
          value: plain,
        },
      }
    }
    if (routes.has(pattern)) {
      return {
        problem: {
          path: place,
          part: 'value',
          message: `${printPath(place)}: ${pattern} is here twice`,
          value: plain,
        },
      }
    }
    routes.add(pattern)
  }
  return { routes: [...routes] }
}

function manifestError(problem: Problem, file: string, position?: Position): VelaError {
  const place = position === undefined ? file : `${file}:${position.line}:${position.column}`
  return new VelaError('VELA_DEPLOY_INVALID_MANIFEST', `${place}: ${problem.message}`, {
    details: {
      file,
      ...position,
      key: printPath(problem.path),
      ...(problem.value === undefined ? {} : { value: problem.value }),
      ...(problem.allowed === undefined ? {} : { allowed: problem.allowed }),
      ...(problem.didYouMean === undefined ? {} : { didYouMean: problem.didYouMean }),
    },
  })
}
