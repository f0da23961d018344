/** What applications may use in their own tests: `import { VirtualClock } from 'spindle-mq/testing'`. */
export { type SpindleContainer, type SpindleContainerOptions, startSpindleContainer } from './container.ts'
export { FaultDisk, type FaultKind, type SyncBoundary } from './fault-disk.ts'
export type { PowerCutMode } from './fault-inode.ts'
export { type TestServer, testServer } from './test-server.ts'
export { VirtualClock } from './virtual-clock.ts'
