/** A runtime for tests of its composition: with nothing but what they give it. */
import { Runtime, type Composition, type ConfigInput } from '../../host/index.ts'

export const CONFIG: ConfigInput = {
  data: null,
  gateway: { port: 0 },
  admin: { port: 0 },
  log: { level: 'silent' },
  cells: { spares: 0 },
}

export const created = (composition: Composition, config: ConfigInput = CONFIG): Promise<Runtime> =>
  Runtime.create(config, composition)
