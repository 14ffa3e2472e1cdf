/**
 * How a service's state changes: the rules of the local registry (`registry/operations/trail.ts`, `retention.ts`) over a value,
 * so that a change is one compare-and-set. A test runs both beside each other.
 */
import { VelaError } from '../../core/errors.ts'
import { KEPT_VERSIONS } from '../../registry/operations/retention.ts'
import { TRAIL_LENGTH } from '../../registry/operations/trail.ts'
import type { ServiceState, VersionEntry } from './records.ts'

export interface Activation {
  readonly place: string
  readonly entry: VersionEntry
  readonly routes: readonly string[]
  readonly tenantEra: number
  readonly nowMs: number
  readonly writer: string
}

/** `before`: what the key holds, whatever its era. Throws when another content has the version's name. */
export function activated(before: ServiceState | undefined, activation: Activation): ServiceState {
  const { place, entry, routes, tenantEra, nowMs, writer } = activation
  if (before?.erasing !== undefined && before.tenantEra === tenantEra) throw beingErased(place)
  const isSame = before?.live === true && before.tenantEra === tenantEra
  const known = isSame ? before.versions.find(({ version }) => version === entry.version) : undefined
  if (known !== undefined && known.content !== entry.content)
    throw new VelaError(
      'VELA_DEPLOY_INVALID_MANIFEST',
      `${place} has another version named ${entry.version}. Change the source, a comment will do, and deploy again.`,
    )
  if (!isSame)
    return {
      era: before?.tenantEra === tenantEra ? before.era : 0,
      live: true,
      tenantEra,
      activeVersion: entry.version,
      updatedAt: nowMs,
      engine: null,
      routes,
      versions: [entry],
      trail: [entry.version],
      writer,
    }
  // Accepted again, perhaps by another Vela: that is the one it is known to start on.
  const versions =
    known === undefined
      ? [...before.versions, entry]
      : before.versions.map((one) => (one === known ? { ...entry, createdAt: known.createdAt } : one))
  if (before.activeVersion === entry.version) return { ...before, versions, routes, writer }
  const trail = [...before.trail, entry.version].slice(-TRAIL_LENGTH)
  return prune({ ...before, activeVersion: entry.version, updatedAt: nowMs, routes, versions, trail, writer })
}

/** The version that a rollback leads to; throws VELA_VERSION_NOT_FOUND as the local registry does. */
export function rollbackTarget(
  state: ServiceState,
  place: string,
  version: string | undefined,
): VersionEntry {
  const target = version ?? predecessor(state)
  if (target === undefined) throw notFound(`${place} has no earlier version to go back to.`)
  const found = state.versions.find((one) => one.version === target)
  if (found !== undefined) return found
  throw notFound(`${place} has no version ${target}. "vela versions ${place}" lists them.`)
}

export function rolledBack(
  before: ServiceState,
  target: string,
  routes: readonly string[],
  nowMs: number,
  writer: string,
): ServiceState {
  if (target === before.activeVersion) return { ...before, writer }
  const at = before.trail.lastIndexOf(target)
  const trail = at < 0 ? [...before.trail, target].slice(-TRAIL_LENGTH) : before.trail.slice(0, at + 1)
  return { ...before, activeVersion: target, updatedAt: nowMs, routes, trail, writer }
}

/** The key stays, as the mark of what is void from here on; `eraser`: the node that erases what it stored. */
export function deleted(before: ServiceState, writer: string, eraser?: string): ServiceState {
  return {
    ...before,
    erasing: eraser,
    era: before.era + 1,
    live: false,
    activeVersion: '',
    engine: null,
    routes: [],
    versions: [],
    trail: [],
    writer,
  }
}

/** Its name is free again in a moment. */
export function beingErased(name: string): VelaError {
  return new VelaError(
    'VELA_CLUSTER_CONFLICT',
    `What the deleted ${name} stored is still being erased. Try again in a moment.`,
  )
}

function predecessor({ trail, activeVersion }: ServiceState): string | undefined {
  return trail.findLast((version) => version !== activeVersion)
}

/** The newest, whatever is active, and what a rollback would make active. */
function prune(state: ServiceState): ServiceState {
  const before = predecessor(state)
  const newest = new Set(state.versions.slice(-KEPT_VERSIONS))
  const versions = state.versions.filter(
    (entry) => newest.has(entry) || entry.version === state.activeVersion || entry.version === before,
  )
  const kept = new Set(versions.map(({ version }) => version))
  return { ...state, versions, trail: state.trail.filter((version) => kept.has(version)) }
}

const notFound = (message: string): VelaError => new VelaError('VELA_VERSION_NOT_FOUND', message)
