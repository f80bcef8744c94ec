# make          install what is missing, configure, build
# make test     the same, then run the tests
.PHONY: all
all:
	cmake -B build -G Ninja && cmake --build build
