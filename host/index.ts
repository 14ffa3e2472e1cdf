/** What `import … from 'vela-runtime'` gives: the runtime and the types it speaks in. */
export { Runtime, type DeployPath, type RuntimeUrls } from './core/runtime.ts'
export { bundleService, type BundledService } from './bundle/bundler.ts'
export { VelaError, type ErrorCode, type Problem } from './core/errors.ts'
export type { Config, ConfigInput } from './core/config.ts'
export type {
  Control,
  DeployRequest,
  DeployResult,
  DoctorCheck,
  LogEntry,
  ServiceStatus,
} from './core/control.ts'
export type { HostService, HostServiceOptions, HostServiceProvider } from './core/host-services.ts'
export type { GatewayContext, Middleware } from './http/middleware.ts'
export type { Limits } from '../sandbox/protocol/limits.ts'
export type {
  Bundle,
  Deployment,
  JsonValue,
  Manifest,
  Registry,
  ServiceRecord,
  Tenant,
} from './registry/types.ts'
