/** `spindle-mq/http`: enqueue by POST, 202 Accepted, status, events, cancellation, under any web framework. */
export { toNodeListener } from './node-listener.ts'
export { type FetchHandler, type TaskFace, type TaskHandlerOptions, taskHandler } from './task-handler.ts'
