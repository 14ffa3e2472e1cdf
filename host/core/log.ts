/**
 * The host's own log: one JSON object a line, written by pino through one buffered destination that flushes
 * within a second and at exit. Field values may be guest data; nothing in them may start a new line, reach a
 * terminal as a control sequence, or replace the members by which a line is read (level, time, event).
 * The buffer is bounded: when the reader is too slow lines are dropped and counted, never kept in memory.
 */
import { pino, type Logger } from 'pino'
import type { Config } from './config.ts'
import { VelaError } from './errors.ts'
import { openLogSink } from './log-sink.ts'

export type LogFields = Readonly<Record<string, unknown>>

/** One request at the gateway. */
export interface AccessRecord {
  readonly requestId: string
  readonly method: string
  /** As the client sent it; hostile. */
  readonly path: string
  readonly status: number
  readonly durationMs: number
  readonly bytes: number
  readonly tenant?: string | undefined
  readonly service?: string | undefined
  readonly remote?: string | undefined
  /** Error code of the table, when Vela answered. */
  readonly code?: string | undefined
  /** Of a WebSocket: how it was closed (RFC 6455). */
  readonly closeCode?: number | undefined
}

export interface Log {
  /** `event` is a short constant such as `cell started`; what varies goes into `fields`. */
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  /** Adds `fields` to each line; shares the destination, so only the root is closed. */
  child(fields: LogFields): Log
  /** A line per request, at level info, made for the hot path. */
  access(record: AccessRecord): void
  /** Lines lost because the destination was too slow. */
  droppedLines(): number
  /** Writes what is buffered, now and synchronously. */
  flush(): void
  close(): Promise<void>
}

const MAX_PATH_LENGTH = 2048

/** DEL, C1 (CSI among them) and the Unicode line separators: JSON leaves them raw, terminals and viewers act on them. */
const UNSAFE = /[\u007F-\u009F\u2028\u2029]/
const UNSAFE_ALL = /[\u007F-\u009F\u2028\u2029]/g
/** Text that is its own JSON string. */
const PLAIN = /^[\u0020\u0021\u0023-\u005B\u005D-\u007E]*$/

export function createLog(config: Config['log']): Log {
  const sink = openLogSink(config.destination)
  const logger = pino(
    {
      level: config.level,
      base: null,
      messageKey: 'event',
      timestamp: () => `,"time":${Date.now()}`,
      formatters: { level: (level) => ({ level }) },
      serializers: {
        error: (thrown: unknown) => describeError(thrown, 0),
        err: (thrown: unknown) => describeError(thrown, 0),
      },
    },
    {
      write: (line: string) =>
        sink.write(UNSAFE.test(line) ? line.replaceAll(UNSAFE_ALL, escapeCharacter) : line),
    },
  )
  const memo = createQuoteMemo()
  const logsAccess = logger.isLevelEnabled('info')
  const access = (record: AccessRecord): void => {
    if (logsAccess) sink.write(accessLine(record, memo))
  }
  const wrap = (logger: Logger): Log => ({
    debug: (event, fields) => logger.debug(safeFields(fields), event),
    info: (event, fields) => logger.info(safeFields(fields), event),
    warn: (event, fields) => logger.warn(safeFields(fields), event),
    error: (event, fields) => logger.error(safeFields(fields), event),
    child: (fields) => wrap(logger.child(safeFields(fields))),
    access,
    droppedLines: () => sink.droppedLines(),
    flush: () => sink.flush(),
    close: () => sink.close(),
  })
  return wrap(logger)
}

/** Names by which a line is read; a field of the same name would be a second member that wins in most parsers. */
const RESERVED = ['level', 'time', 'event'] as const

function safeFields(fields: LogFields = {}): LogFields {
  if (!RESERVED.some((name) => Object.hasOwn(fields, name))) return fields
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      RESERVED.some((name) => name === key) ? `${key}_` : key,
      value,
    ]),
  )
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** Method, tenant, service and peer come again and again as the same strings. */
function createQuoteMemo(): (text: string) => string {
  const memo = new Map<string, string>()
  return (text) => {
    const known = memo.get(text)
    if (known !== undefined) return known
    const quoted = quote(text)
    if (memo.size >= MAX_MEMO) memo.clear()
    memo.set(text, quoted)
    return quoted
  }
}

const MAX_MEMO = 2048

function quote(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  return JSON.stringify(text).replaceAll(UNSAFE_ALL, escapeCharacter)
}

/** By hand, since a generic serializer costs several times as much and this runs for every request. */
function accessLine(record: AccessRecord, memo: (text: string) => string): string {
  const { path, tenant, service, remote, code, closeCode } = record
  let line = `{"level":"info","time":${Date.now()},"event":"access","requestId":${quote(record.requestId)}`
  line += `,"method":${memo(record.method)}`
  line += `,"path":${quote(path.length > MAX_PATH_LENGTH ? path.slice(0, MAX_PATH_LENGTH) : path)}`
  line += `,"status":${finite(record.status)},"durationMs":${milliseconds(finite(record.durationMs))}`
  line += `,"bytes":${finite(record.bytes)}`
  if (tenant !== undefined) line += `,"tenant":${memo(tenant)}`
  if (service !== undefined) line += `,"service":${memo(service)}`
  if (remote !== undefined) line += `,"remote":${memo(remote)}`
  if (code !== undefined) line += `,"code":${memo(code)}`
  if (closeCode !== undefined) line += `,"closeCode":${finite(closeCode)}`
  return `${line}}\n`
}

/** Three decimals, from whole numbers: printing a fraction exactly costs several times as much. */
function milliseconds(durationMs: number): string {
  const micros = Math.round(durationMs * 1000)
  const whole = Math.trunc(micros / 1000)
  const rest = Math.abs(micros - whole * 1000)
  return `${whole}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`
}

const finite = (value: number): number => (Number.isFinite(value) ? value : 0)

const MAX_CAUSES = 4

function describeError(thrown: unknown, depth: number): unknown {
  if (!(thrown instanceof Error)) return thrown
  const causes = thrown instanceof AggregateError ? thrown.errors.slice(0, MAX_CAUSES) : []
  return {
    type: thrown.name,
    message: thrown.message,
    ...(thrown instanceof VelaError ? { code: thrown.code, details: thrown.details } : {}),
    stack: thrown.stack,
    ...(thrown.cause === undefined || depth >= MAX_CAUSES
      ? {}
      : { cause: describeError(thrown.cause, depth + 1) }),
    ...(causes.length === 0 || depth >= MAX_CAUSES
      ? {}
      : { errors: causes.map((cause) => describeError(cause, depth + 1)) }),
  }
}
