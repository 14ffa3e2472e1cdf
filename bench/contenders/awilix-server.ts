/** awilix alone, under the same requests as the container that stands on it. */
import { createRequests } from '../di/awilix.ts'
import { serve } from '../di/serve.ts'

serve(createRequests())
