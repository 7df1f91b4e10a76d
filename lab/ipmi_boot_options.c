// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A module for OpenIPMI's ipmi_sim: system boot options that are kept, as the BMC of a server keeps them.
 *
 * ipmi_sim's own handlers know only the boot device and answer "not valid" whatever was set. These two replace them
 * (IPMI v2.0, sections 28.12 and 28.13). The parameters live in a text file, one a line, "5 a0 04 00 00 00": the
 * program that switches the machine on reads it, and takes the valid bit of a one-time request away.
 *
 * The module's init string is the path of that file without its end: PREFIX.bootflags. While PREFIX.forget exists,
 * boot flags are accepted and forgotten: a fault that servers have, for tests.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <OpenIPMI/ipmi_err.h>
#include <OpenIPMI/ipmi_msgbits.h>
#include <OpenIPMI/mcserv.h>
#include <OpenIPMI/serv.h>

enum {
    SET_IN_PROGRESS = 0,
    CLEARING = 3, /* what does not clear the boot flags' valid bit; ... */
    CLEARING_NO_TIMEOUT = 0x08, /* ... with this bit: 60 s without a chassis control command */
    BOOT_FLAGS = 5,
    FLAGS_VALID = 0x80,
    FLAGS_PERSISTENT = 0x40,
    TIMEOUT_SECONDS = 60,
    PARAMETERS = 8, /* 0 to 7: all that the specification defines */
    NOT_SUPPORTED = 0x80, /* completion codes of their own */
    SET_COLLISION = 0x81,
};

/* How many bytes of data each parameter has; 0: this BMC has not got it (2: partition scan; 6, 7: initiator). */
static const unsigned char lengths[PARAMETERS] = {1, 1, 0, 1, 2, 5, 0, 0};

static char flags_file[4096], new_file[4096], forget_file[4096];

typedef unsigned char options_t[PARAMETERS][5];

/* Fill in the options from the file; what it does not have is zero, as on a BMC that was never set. */
static void load(options_t options)
{
    unsigned int number, b[5];
    struct stat info;
    char line[80];
    FILE *file = fopen(flags_file, "r");

    memset(options, 0, sizeof(options_t));
    while (file && fgets(line, sizeof(line), file)) {
        memset(b, 0, sizeof(b));
        if (sscanf(line, "%u %x %x %x %x %x", &number, b, b + 1, b + 2, b + 3, b + 4) < 2 || number >= PARAMETERS)
            continue;
        for (int i = 0; i < 5; i++)
            options[number][i] = b[i];
    }
    if (!file)
        return;
    if (fstat(fileno(file), &info) == 0 && time(NULL) - info.st_mtime > TIMEOUT_SECONDS) {
        options[SET_IN_PROGRESS][0] = 0;
        if (!(options[BOOT_FLAGS][0] & FLAGS_PERSISTENT) && !(options[CLEARING][0] & CLEARING_NO_TIMEOUT))
            options[BOOT_FLAGS][0] &= ~FLAGS_VALID;
    }
    fclose(file);
}

/* Write the options, so that a reader sees the old file or the new one. Return 0, or -1 if that fails. */
static int store(options_t options)
{
    FILE *file = fopen(new_file, "w");

    if (!file)
        return -1;
    for (int number = 0; number < PARAMETERS; number++) {
        if (!lengths[number])
            continue;
        fprintf(file, "%d", number);
        for (int i = 0; i < lengths[number]; i++)
            fprintf(file, " %02x", options[number][i]);
        fputc('\n', file);
    }
    return fclose(file) ? -1 : rename(new_file, flags_file);
}

/* Return the completion code for a parameter's number and the data given for it. */
static unsigned char set_option(options_t options, unsigned int number, const unsigned char *data, unsigned int length)
{
    if (number >= PARAMETERS || !lengths[number])
        return NOT_SUPPORTED;
    if (length < lengths[number])
        return IPMI_REQUEST_DATA_LENGTH_INVALID_CC;
    /* 1: somebody sets several parameters; 0: done; 2: commit, which is done at once. */
    if (number == SET_IN_PROGRESS && data[0] == 1 && options[SET_IN_PROGRESS][0] == 1)
        return SET_COLLISION;
    memcpy(options[number], data, lengths[number]);
    options[SET_IN_PROGRESS][0] = options[SET_IN_PROGRESS][0] == 1;
    if (number == BOOT_FLAGS && access(forget_file, F_OK) == 0)
        memset(options[BOOT_FLAGS], 0, sizeof(options[BOOT_FLAGS]));
    return store(options) ? IPMI_UNKNOWN_ERR_CC : 0;
}

static void set_boot_options(lmc_data_t *mc, msg_t *msg, unsigned char *rdata, unsigned int *rdata_len, void *cb_data)
{
    options_t options;

    (void)mc, (void)cb_data;
    *rdata_len = 1;
    load(options);
    rdata[0] = IPMI_REQUEST_DATA_LENGTH_INVALID_CC;
    if (msg->len >= 1)
        rdata[0] = set_option(options, msg->data[0] & 0x7f, msg->data + 1, msg->len - 1);
}

static void get_boot_options(lmc_data_t *mc, msg_t *msg, unsigned char *rdata, unsigned int *rdata_len, void *cb_data)
{
    options_t options;
    unsigned int number = msg->len ? msg->data[0] & 0x7f : 0;

    (void)mc, (void)cb_data;
    *rdata_len = 1;
    rdata[0] = msg->len < 3 ? IPMI_REQUEST_DATA_LENGTH_INVALID_CC : NOT_SUPPORTED;
    if (msg->len < 3 || number >= PARAMETERS || !lengths[number])
        return;
    load(options);
    rdata[0] = 0;
    rdata[1] = 1; /* version of the parameters */
    rdata[2] = number;
    memcpy(rdata + 3, options[number], lengths[number]);
    *rdata_len = 3 + lengths[number];
}

int ipmi_sim_module_print_version(sys_data_t *sys, char *prefix)
{
    (void)sys, (void)prefix;
    return 0;
}

/* ipmi_sim calls this once, before it listens. */
int ipmi_sim_module_init(sys_data_t *sys, const char *prefix)
{
    (void)sys;
    snprintf(flags_file, sizeof(flags_file), "%s.bootflags", prefix);
    snprintf(new_file, sizeof(new_file), "%s.bootflags.new", prefix);
    snprintf(forget_file, sizeof(forget_file), "%s.forget", prefix);
    return ipmi_emu_register_cmd_handler(IPMI_CHASSIS_NETFN, IPMI_SET_SYSTEM_BOOT_OPTIONS_CMD, set_boot_options, NULL)
        || ipmi_emu_register_cmd_handler(IPMI_CHASSIS_NETFN, IPMI_GET_SYSTEM_BOOT_OPTIONS_CMD, get_boot_options, NULL);
}
