/* cut-power MOUNTPOINT: EXT4_IOC_SHUTDOWN with NOLOGFLUSH. From then on nothing reaches the device, as when the power goes. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define NOLOGFLUSH 2

int main(int count, char **arguments) {
  uint32_t flags = NOLOGFLUSH;
  int fd = count == 2 ? open(arguments[1], O_RDONLY) : -1;
  if (fd < 0 || ioctl(fd, EXT4_IOC_SHUTDOWN, &flags) < 0) {
    perror("cut-power");
    return 1;
  }
  return 0;
}
