/** Next.js, App Router: a route is a fetch handler already. `Request` in, `Response` out. */
import { taskHandler } from 'spindle-mq/http'
import { invoice } from '../../../../../tasks.ts'
import { spindle } from '../../../../lib/spindle.ts'

/** Files and sockets: not the edge runtime. */
export const runtime = 'nodejs'
export const dynamic = 'force-dynamic'

async function handle(request: Request): Promise<Response> {
  return taskHandler({ spindle: await spindle(), tasks: [invoice], basePath: '/api/tasks' })(request)
}

export { handle as DELETE, handle as GET, handle as POST }
