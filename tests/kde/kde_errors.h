// What the KDE's tests of errors share.
#pragma once

#include "support/errors.h"
#include "support/kde_call.h"
