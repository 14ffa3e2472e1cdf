/** The host's own event bus (host/events), without the host: among 100 other subscriptions, and among 100,000. */
import { createBuses } from '../events/ours.ts'
import { serve } from '../events/serve.ts'

serve(createBuses([100, 100_000]))
