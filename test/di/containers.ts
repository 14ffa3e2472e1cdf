/** Containers for tests. */
import { createContainer, type Container } from '../../host/di/container.ts'
import type { Provider } from '../../host/di/provider.ts'

/** Of these providers alone. */
export const containerOf = (...providers: Provider[]): Container => createContainer({ providers })
