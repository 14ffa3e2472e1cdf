/** The host's own container (host/di), without the host. */
import { createRequests } from '../di/ours.ts'
import { serve } from '../di/serve.ts'

serve(await createRequests())
