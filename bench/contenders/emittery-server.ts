/** emittery alone, under the same events as the bus. */
import { createEmittery } from '../events/emittery.ts'
import { serve } from '../events/serve.ts'

serve(createEmittery())
