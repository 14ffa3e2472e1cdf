/** What `import … from 'vela-runtime'` gives: the runtime and the types it speaks in. */
export { Runtime, type DeployPath, type RuntimeUrls } from './core/runtime.ts'
export { deferred, Future, race, select, sleep, taskGroup, timeout } from './async/tasks.ts'
export { broadcast, channel } from './concurrency/channels/local.ts'
export type { Broadcast, BroadcastReceiver } from '../guest-sdk/concurrency/broadcast.ts'
export type { Channel } from '../guest-sdk/concurrency/channel.ts'
export type { HostBroadcast, HostChannel, HostChannelOptions } from './concurrency/channels/host-channel.ts'
export type { GuestActor, GuestActorOptions } from './concurrency/actors/guest-actor.ts'
export type {
  HostActorClass,
  HostActorContext,
  HostActorOptions,
} from './concurrency/actors/host/activation.ts'
export type { HostActors, HostActorStub, SendOptions } from './concurrency/actors/host/host-actors.ts'
export type { HostListOptions, HostStorage } from './concurrency/actors/host/storage.ts'
export { enrich, filter, on, retry, trace, validate } from './events/middleware.ts'
export type { EventSpan, TraceOptions } from '../guest-sdk/events/middlewares.ts'
export type { StandardSchema } from '../guest-sdk/events/standard-schema.ts'
export type { BusEvent } from './events/bus-event.ts'
export type {
  BatchOptions,
  BusMiddleware,
  Delivery,
  EventHandler,
  EventHandlerBatch,
  HandlerContext,
  HostEvents,
  Outcome,
  PublishOptions,
  PublishResult,
  SubscribeOptions,
  Subscription,
  SubscriptionStats,
} from './events/types.ts'
export { bundleService, type BundledService } from './bundle/bundler.ts'
export { VelaError, type ErrorCode, type Problem } from './core/errors.ts'
export type { Config, ConfigInput } from './core/config.ts'
export type {
  ActorsStatus,
  Control,
  DeadLetter,
  Decision,
  DeployRequest,
  DeployResult,
  DoctorCheck,
  EngineStatus,
  GrantStatus,
  LogEntry,
  ScheduledRun,
  InvokeOptions,
  ServiceStatus,
} from './core/control.ts'
export type {
  HostWork,
  ModuleWork,
  NamedWork,
  RegisteredTask,
  SpawnOptions,
  Task,
  TaskContext,
  TaskModule,
} from './async/host-tasks.ts'
export {
  CALLER,
  TENANT,
  type Caller,
  type HostService,
  type HostServiceOptions,
  type HostServiceProvider,
} from './core/host-services.ts'
export { HOST } from './core/parts.ts'
export { createContainer, type Container, type ContainerScope } from './di/container.ts'
export { given, type Given } from './di/level.ts'
export { defineModule, type Composition, type Module } from './di/module.ts'
export { provide, type Provider, type Scope } from './di/provider.ts'
export { lazy, optional, token, type Injectable, type Token } from './di/token.ts'
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
