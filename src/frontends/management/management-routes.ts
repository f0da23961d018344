import type { ManagementRoute } from './route.ts'
import { bindingRoutes } from './routes/bindings.ts'
import { connectionRoutes } from './routes/connections.ts'
import { definitionRoutes } from './routes/definitions.ts'
import { exchangeRoutes } from './routes/exchanges.ts'
import { healthRoutes } from './routes/health.ts'
import { messageRoutes } from './routes/messages.ts'
import { overviewRoutes } from './routes/overview.ts'
import { permissionRoutes } from './routes/permissions.ts'
import { policyRoutes } from './routes/policies.ts'
import { queueRoutes } from './routes/queues.ts'
import { userRoutes } from './routes/users.ts'
import { vhostRoutes } from './routes/vhosts.ts'

/** Every route; docs/compat/amqp.md lists them, and a test compares. */
export const managementRoutes: readonly ManagementRoute[] = [
  ...overviewRoutes,
  ...healthRoutes,
  ...vhostRoutes,
  ...connectionRoutes,
  ...queueRoutes,
  ...messageRoutes,
  ...exchangeRoutes,
  ...bindingRoutes,
  ...policyRoutes,
  ...userRoutes,
  ...permissionRoutes,
  ...definitionRoutes,
]
