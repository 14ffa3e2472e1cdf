/**
 * What travels between the control API and its clients: one schema per body, one type per answer. Server and
 * client import this file and nothing of each other.
 */
import { z } from 'zod'
import { MAXIMUM_LIMITS, type Limits } from '../../sandbox/protocol/limits.ts'
import type { EngineName } from '../../sandbox/protocol/engine-files.ts'
import type { Decision, DeployRequest, DeployResult, LogEntry } from '../core/control.ts'
import type { Problem } from '../core/errors.ts'
import type { JsonValue, Scope, TokenRecord } from '../registry/types.ts'

export const BODY_BYTES: number = 256 * 1024
export const INVOKE_BODY_BYTES: number = 10 * 1024 * 1024
/** A bundle, its map with the sources inside, and the escapes of JSON. */
export const DEPLOY_BODY_BYTES: number = 4 * MAXIMUM_LIMITS.bundleBytes
/** An event of the largest size, whose data may double as JSON. */
export const EVENT_BODY_BYTES: number = 1024 * 1024
export const SECRET_CHARS: number = 64 * 1024

export interface TenantInput {
  readonly name: string
  readonly limits?: Partial<Limits> | undefined
}

export interface DeploymentInput {
  readonly manifest?: unknown
  readonly source: string
  readonly sourceMap: string | null
}

export interface InvokeInput {
  readonly method: string
  readonly args: JsonValue[]
}

/** `policy`: the operator's policy decides again. */
export type GrantDecisionInput = Decision

/** `manifest`: what the manifest says, again. */
export type EngineInput = EngineName | 'manifest'

export interface TokenInput {
  readonly tenant: string | null
  readonly scopes: Scope[]
}

export interface CountAnswer {
  readonly count: number
}

const limitNames = Object.keys(MAXIMUM_LIMITS) as (keyof Limits)[]
const scope = z.enum(['admin', 'deploy', 'read', 'invoke'])
const name = z.string().max(200)

// Shapes are checked here; which names and values are allowed is for the registry and the manifest to say.
export const TenantBody: z.ZodType<TenantInput> = z.strictObject({
  name,
  limits: z.partialRecord(z.enum(limitNames), z.int().positive()).optional(),
})
export const DeploymentBody: z.ZodType<DeploymentInput> = z.strictObject({
  manifest: z.unknown(),
  source: z.string(),
  sourceMap: z.string().nullable().default(null),
})
export const RollbackBody: z.ZodType<{ version?: string | undefined }> = z
  .strictObject({ version: z.string().max(64).optional() })
  .default({})
export const InvokeBody: z.ZodType<InvokeInput> = z.strictObject({
  method: z.string().min(1).max(256),
  // Parsed from JSON, so what is in it can be nothing else.
  args: (z.array(z.unknown()) as unknown as z.ZodType<JsonValue[]>).default([]),
})
export const DecisionBody: z.ZodType<{ decision: GrantDecisionInput }> = z.strictObject({
  decision: z.enum(['granted', 'revoked', 'policy'], 'must be "granted", "revoked" or "policy"'),
})
const consumer = z.string().min(1).max(512)
export const ConsumerBody: z.ZodType<{ consumer: string }> = z.strictObject({ consumer })
const LETTERS = 'must be "all" or a list of at most 1,000 sequences'
export const LettersBody: z.ZodType<{ consumer: string; sequences: number[] | 'all' }> = z.strictObject({
  consumer,
  sequences: z.union([z.literal('all'), z.array(z.int().positive(), LETTERS).max(1_000, LETTERS)], LETTERS),
})
export const RunBody: z.ZodType<{ cron?: string | undefined }> = z
  .strictObject({ cron: z.string().max(200).optional() })
  .default({})
export const EngineBody: z.ZodType<{ engine: EngineInput }> = z.strictObject({
  engine: z.enum(['v8', 'quickjs', 'manifest'], 'must be "v8", "quickjs" or "manifest"'),
})
export const SecretBody: z.ZodType<{ value: string }> = z.strictObject({
  value: z.string().max(SECRET_CHARS),
})
export const TokenBody: z.ZodType<TokenInput> = z.strictObject({
  tenant: name.nullable(),
  scopes: z.array(scope).min(1).max(4),
})
export const ForceQuery: z.ZodType<{ force: 'true' | 'false' }> = z.strictObject({
  force: z.enum(['true', 'false']).default('false'),
})
export const TenantQuery: z.ZodType<{ tenant?: string | undefined }> = z.strictObject({
  tenant: name.optional(),
})

export type DeployStep = Parameters<NonNullable<DeployRequest['onProgress']>>[0]

export type DeployEvent =
  | { readonly event: 'progress'; readonly step: DeployStep }
  | { readonly event: 'result'; readonly result: DeployResult }
  | { readonly event: 'error'; readonly problem: Problem }

export type TailEvent =
  /** The tail is attached: what the service logs from now on arrives. */
  | { readonly event: 'ready' }
  | ({ readonly event: 'log' } & LogEntry)
  | { readonly event: 'heartbeat'; readonly time: number }
  /** This reader was too slow and missed so many lines, at this place. */
  | { readonly event: 'dropped'; readonly count: number }
  | { readonly event: 'end'; readonly reason: 'closing' | 'token' }

export interface InvokeAnswer {
  /** Absent when the method returned undefined. */
  readonly result?: JsonValue
}

export interface StatusAnswer {
  readonly status: 'ok' | 'degraded' | 'starting' | 'draining'
  /** Of the whole host, so for operators alone. */
  readonly services?: number
  readonly cells?: number
  readonly nats?: { readonly state: 'connected' | 'lost'; readonly problem?: string }
  readonly cluster?: { readonly node: string; readonly holdsLease: boolean; readonly peers: number }
  readonly token: Pick<TokenRecord, 'id' | 'tenant' | 'scopes'>
}

export interface TokenAnswer {
  /** Shown this once; the registry keeps only its hash. */
  readonly token: string
  readonly record: TokenRecord
}
