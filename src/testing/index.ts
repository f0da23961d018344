/** What applications may use in their own tests: `import { VirtualClock } from 'spindle-mq/testing'`. */
export { FaultDisk, type FaultKind, type PowerCutMode, type SyncBoundary } from './fault-disk.ts'
export { VirtualClock } from './virtual-clock.ts'
