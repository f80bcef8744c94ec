//! Memory of calls: views of slices and of device memory that know how long they are.

use crate::error::check;
use crate::{sys, Context, Element, Error, Result};
use std::marker::PhantomData;
use std::os::raw::c_void;

/// Where memory lies. A slice is memory of the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    backend: i32,
    device: i32,
}

const HOST: Place = Place { backend: sys::SCF_BACKEND_CPU, device: 0 };

impl Place {
    pub(crate) fn of(context: &Context) -> Self {
        Place { backend: context.backend(), device: context.device() }
    }
    fn require(self, context: &Context, name: &str) -> Result<()> {
        if self == Place::of(context) {
            return Ok(());
        }
        Err(Error::argument(format!("{name} must be memory of the context's device")))
    }
}

/// Elements one after the other that a call reads.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a, E> {
    data: *const E,
    len: usize,
    place: Place,
    borrow: PhantomData<&'a [E]>,
}

/// Elements one after the other that a call writes.
#[derive(Debug)]
pub struct ArrayMut<'a, E> {
    data: *mut E,
    len: usize,
    place: Place,
    borrow: PhantomData<&'a mut [E]>,
}

/// Rows that a call reads, `ld` elements from one to the next.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, E> {
    data: *const E,
    shape: Shape,
    place: Place,
    borrow: PhantomData<&'a [E]>,
}

/// Rows that a call writes.
#[derive(Debug)]
pub struct MatrixMut<'a, E> {
    data: *mut E,
    shape: Shape,
    place: Place,
    borrow: PhantomData<&'a mut [E]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    rows: usize,
    columns: usize,
    ld: usize,
}

impl Shape {
    /// The last row need not be padded. Fails where `len` elements do not hold it all.
    fn within(len: usize, rows: usize, columns: usize, ld: usize) -> Result<Self> {
        let needed = match rows {
            0 => Some(0),
            _ => (rows - 1).checked_mul(ld).and_then(|before| before.checked_add(columns)),
        };
        // Rows without columns are bounded by no memory; C counts them in an int64_t.
        let countable = i64::try_from(rows).is_ok();
        if ld < columns || !countable || needed.map_or(true, |needed| needed > len) {
            return Err(Error::argument(format!(
                "{len} elements do not hold {rows} rows of {columns}, {ld} apart"
            )));
        }
        // Of less than two rows nothing bounds ld either, and nothing is that far apart.
        let ld = if rows < 2 { columns } else { ld };
        Ok(Shape { rows, columns, ld })
    }
    fn of_rows(len: usize, columns: usize) -> Result<Self> {
        if columns == 0 || len % columns != 0 {
            return Err(Error::argument(format!("{len} elements are no rows of {columns}")));
        }
        Shape::within(len, len / columns, columns, columns)
    }
}

impl<'a, E> From<&'a [E]> for Array<'a, E> {
    fn from(slice: &'a [E]) -> Self {
        Array { data: slice.as_ptr(), len: slice.len(), place: HOST, borrow: PhantomData }
    }
}
impl<'a, E> From<&'a Vec<E>> for Array<'a, E> {
    fn from(vector: &'a Vec<E>) -> Self {
        vector.as_slice().into()
    }
}
impl<'a, E: Element> From<&'a Buffer<'_, E>> for Array<'a, E> {
    fn from(buffer: &'a Buffer<'_, E>) -> Self {
        Array { data: buffer.data, len: buffer.len, place: buffer.place(), borrow: PhantomData }
    }
}
impl<'a, E, const N: usize> From<&'a [E; N]> for Array<'a, E> {
    fn from(array: &'a [E; N]) -> Self {
        array.as_slice().into()
    }
}
impl<'a, E, const N: usize> From<&'a mut [E; N]> for ArrayMut<'a, E> {
    fn from(array: &'a mut [E; N]) -> Self {
        array.as_mut_slice().into()
    }
}
impl<'a, E> From<&'a mut [E]> for ArrayMut<'a, E> {
    fn from(slice: &'a mut [E]) -> Self {
        ArrayMut { data: slice.as_mut_ptr(), len: slice.len(), place: HOST, borrow: PhantomData }
    }
}
impl<'a, E> From<&'a mut Vec<E>> for ArrayMut<'a, E> {
    fn from(vector: &'a mut Vec<E>) -> Self {
        vector.as_mut_slice().into()
    }
}
impl<'a, E: Element> From<&'a mut Buffer<'_, E>> for ArrayMut<'a, E> {
    fn from(buffer: &'a mut Buffer<'_, E>) -> Self {
        ArrayMut { data: buffer.data, len: buffer.len, place: buffer.place(), borrow: PhantomData }
    }
}

impl<'a, E> Array<'a, E> {
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// SAFETY: the caller knows that there are m elements for as long as 'a.
    pub(crate) unsafe fn from_raw(data: *const E, m: i64, place: Place) -> Self {
        Array { data, len: m as usize, place, borrow: PhantomData }
    }
    /// The elements, where the memory is the CPU's.
    pub fn as_slice(&self) -> Option<&'a [E]> {
        // SAFETY: they are there, and borrowed.
        (self.place == HOST).then(|| unsafe { slice_of(self.data, self.len) })
    }
    /// The pointer, where the array is of the context's device and `len` long.
    pub(crate) fn checked(&self, context: &Context, len: usize, name: &str) -> Result<*const E> {
        self.place.require(context, name)?;
        require_len(self.len, len, name)?;
        Ok(self.data)
    }
}

impl<'a, E> ArrayMut<'a, E> {
    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// SAFETY: as for Array::from_raw, and nothing else refers to them.
    pub(crate) unsafe fn from_raw(data: *mut E, m: i64, place: Place) -> Self {
        ArrayMut { data, len: m as usize, place, borrow: PhantomData }
    }
    /// The elements, where the memory is the CPU's.
    pub fn as_mut_slice(&mut self) -> Option<&mut [E]> {
        // SAFETY: they are there, and borrowed mutably.
        (self.place == HOST).then(|| unsafe { slice_of_mut(self.data, self.len) })
    }
    /// As MatrixMut::zero.
    pub(crate) fn zero(&mut self)
    where
        E: Element,
    {
        if self.place == HOST && self.len > 0 {
            // SAFETY: the elements are there, and zero bytes are a number.
            unsafe { self.data.write_bytes(0, self.len) }
        }
    }
    pub(crate) fn checked(&self, context: &Context, len: usize, name: &str) -> Result<*mut E> {
        self.place.require(context, name)?;
        require_len(self.len, len, name)?;
        Ok(self.data)
    }
}

/// Nothing may lie at NULL, where C has it and Rust no slice: an empty buffer, an empty batch.
/// SAFETY: of from_raw_parts, where len > 0.
unsafe fn slice_of<'a, E>(data: *const E, len: usize) -> &'a [E] {
    match len {
        0 => &[],
        _ => std::slice::from_raw_parts(data, len),
    }
}
/// SAFETY: of from_raw_parts_mut, where len > 0.
unsafe fn slice_of_mut<'a, E>(data: *mut E, len: usize) -> &'a mut [E] {
    match len {
        0 => &mut [],
        _ => std::slice::from_raw_parts_mut(data, len),
    }
}

fn require_len(len: usize, needed: usize, name: &str) -> Result<()> {
    if len == needed {
        return Ok(());
    }
    Err(Error::argument(format!("{name} must have {needed} elements, got {len}")))
}

fn require_shape(shape: Shape, rows: usize, columns: usize, name: &str) -> Result<()> {
    if (shape.rows, shape.columns) == (rows, columns) {
        return Ok(());
    }
    let Shape { rows: has_rows, columns: has_columns, .. } = shape;
    Err(Error::argument(format!(
        "{name} must be {rows} rows of {columns}, got {has_rows} of {has_columns}"
    )))
}

macro_rules! shape_accessors {
    () => {
        pub fn row_count(&self) -> usize {
            self.shape.rows
        }
        pub fn columns(&self) -> usize {
            self.shape.columns
        }
        pub(crate) fn m(&self) -> i64 {
            self.shape.rows as i64
        }
        pub(crate) fn d(&self) -> i64 {
            self.shape.columns as i64
        }
        pub(crate) fn ld(&self) -> i64 {
            self.shape.ld as i64
        }
    };
}

impl<'a, E> Matrix<'a, E> {
    /// A slice, or a buffer, as whole rows of `columns`.
    pub fn rows(array: impl Into<Array<'a, E>>, columns: usize) -> Result<Self> {
        let array = array.into();
        let shape = Shape::of_rows(array.len, columns)?;
        Ok(Self::shaped(array, shape))
    }
    /// The first `rows` rows, `ld` elements from one to the next.
    pub fn with_ld(
        array: impl Into<Array<'a, E>>,
        rows: usize,
        columns: usize,
        ld: usize,
    ) -> Result<Self> {
        let array = array.into();
        let shape = Shape::within(array.len, rows, columns, ld)?;
        Ok(Self::shaped(array, shape))
    }
    fn shaped(array: Array<'a, E>, shape: Shape) -> Self {
        Matrix { data: array.data, shape, place: array.place, borrow: PhantomData }
    }
    /// A row, where the memory is the CPU's.
    pub fn row(&self, i: usize) -> Option<&'a [E]> {
        if self.place != HOST || i >= self.shape.rows {
            return None;
        }
        // SAFETY: within() made sure that the row is there.
        Some(unsafe { slice_of(self.data.add(i * self.shape.ld), self.shape.columns) })
    }
    shape_accessors!();
    pub(crate) fn on(&self, context: &Context, name: &str) -> Result<*const E> {
        self.place.require(context, name)?;
        Ok(self.data)
    }
    pub(crate) fn checked(
        &self,
        context: &Context,
        rows: usize,
        columns: usize,
        name: &str,
    ) -> Result<*const E> {
        require_shape(self.shape, rows, columns, name)?;
        self.on(context, name)
    }
    /// SAFETY: the caller knows that there are m rows of d, ld apart, for as long as 'a.
    pub(crate) unsafe fn from_raw(
        data: *const E,
        (m, d, ld): (i64, i64, i64),
        place: Place,
    ) -> Self {
        let shape = Shape { rows: m as usize, columns: d as usize, ld: ld as usize };
        Matrix { data, shape, place, borrow: PhantomData }
    }
}

impl<'a, E> MatrixMut<'a, E> {
    /// A slice, or a buffer, as whole rows of `columns`.
    pub fn rows(array: impl Into<ArrayMut<'a, E>>, columns: usize) -> Result<Self> {
        let array = array.into();
        let shape = Shape::of_rows(array.len, columns)?;
        Ok(Self::shaped(array, shape))
    }
    /// The first `rows` rows, `ld` elements from one to the next.
    pub fn with_ld(
        array: impl Into<ArrayMut<'a, E>>,
        rows: usize,
        columns: usize,
        ld: usize,
    ) -> Result<Self> {
        let array = array.into();
        let shape = Shape::within(array.len, rows, columns, ld)?;
        Ok(Self::shaped(array, shape))
    }
    fn shaped(array: ArrayMut<'a, E>, shape: Shape) -> Self {
        MatrixMut { data: array.data, shape, place: array.place, borrow: PhantomData }
    }
    /// A row, where the memory is the CPU's.
    pub fn row_mut(&mut self, i: usize) -> Option<&mut [E]> {
        if self.place != HOST || i >= self.shape.rows {
            return None;
        }
        // SAFETY: as in Matrix::row, and borrowed mutably.
        Some(unsafe { slice_of_mut(self.data.add(i * self.shape.ld), self.shape.columns) })
    }
    /// Zeros, where the memory is the CPU's. A closure can read what it is to write, and scratch memory
    /// of the library may never have been written.
    pub(crate) fn zero(&mut self)
    where
        E: Element,
    {
        if self.place != HOST || self.shape.columns == 0 {
            return;
        }
        for i in 0..self.shape.rows {
            // SAFETY: as in row_mut, but that no reference to it is made before it is written; zero
            // bytes are a number.
            unsafe {
                self.data.add(i * self.shape.ld).write_bytes(0, self.shape.columns);
            }
        }
    }
    /// The same rows for one call more.
    pub fn reborrow(&mut self) -> MatrixMut<'_, E> {
        MatrixMut { data: self.data, shape: self.shape, place: self.place, borrow: PhantomData }
    }
    shape_accessors!();
    pub(crate) fn on(&self, context: &Context, name: &str) -> Result<*mut E> {
        self.place.require(context, name)?;
        Ok(self.data)
    }
    pub(crate) fn checked(
        &self,
        context: &Context,
        rows: usize,
        columns: usize,
        name: &str,
    ) -> Result<*mut E> {
        require_shape(self.shape, rows, columns, name)?;
        self.on(context, name)
    }
    /// SAFETY: as for Matrix::from_raw, and nothing else refers to the rows.
    pub(crate) unsafe fn from_raw(data: *mut E, (m, d, ld): (i64, i64, i64), place: Place) -> Self {
        let shape = Shape { rows: m as usize, columns: d as usize, ld: ld as usize };
        MatrixMut { data, shape, place, borrow: PhantomData }
    }
}

/// What an argument that may be missing is to C: its pointer, or NULL.
pub(crate) fn or_null<A, P>(
    argument: Option<&A>,
    checked: impl FnOnce(&A) -> Result<*const P>,
) -> Result<*const P> {
    argument.map_or(Ok(std::ptr::null()), checked)
}
pub(crate) fn or_null_mut<A, P>(
    argument: Option<&A>,
    checked: impl FnOnce(&A) -> Result<*mut P>,
) -> Result<*mut P> {
    argument.map_or(Ok(std::ptr::null_mut()), checked)
}

/// Memory of a context's device, of numbers alone: the device may write any bits.
///
/// ```
/// let context = scorefield::Context::new()?;
/// let buffer = scorefield::Buffer::from_slice(&context, &[1u32])?;
/// # Ok::<(), scorefield::Error>(())
/// ```
///
/// ```compile_fail
/// let context = scorefield::Context::new()?;
/// let buffer = scorefield::Buffer::from_slice(&context, &[true])?;
/// # Ok::<(), scorefield::Error>(())
/// ```
#[derive(Debug)]
pub struct Buffer<'c, E: Element> {
    context: &'c Context,
    data: *mut E,
    len: usize,
}

impl<'c, E: Element> Buffer<'c, E> {
    /// A copy of the elements. Device memory starts as nothing else: what is read has been written.
    pub fn from_slice(context: &'c Context, elements: &[E]) -> Result<Self> {
        let mut data: *mut c_void = std::ptr::null_mut();
        let bytes = std::mem::size_of_val(elements);
        // SAFETY: as many bytes are taken, copied and waited for.
        unsafe {
            let stream = context.stream();
            check(sys::scf_allocate(context.as_ptr(), bytes, stream, &mut data))?;
            let buffer = Buffer { context, data: data.cast(), len: elements.len() };
            let kind = sys::SCF_COPY_HOST_TO_DEVICE;
            let source = elements.as_ptr().cast();
            context.finish(sys::scf_copy(context.as_ptr(), data, source, bytes, kind, stream))?;
            Ok(buffer)
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements, copied to the CPU.
    pub fn to_vec(&self) -> Result<Vec<E>> {
        let mut elements = Vec::with_capacity(self.len);
        let bytes = self.len * std::mem::size_of::<E>();
        // SAFETY: all elements are written before they are counted.
        unsafe {
            self.context.finish(sys::scf_copy(
                self.context.as_ptr(),
                elements.as_mut_ptr() as *mut c_void,
                self.data as *const c_void,
                bytes,
                sys::SCF_COPY_DEVICE_TO_HOST,
                self.context.stream(),
            ))?;
            elements.set_len(self.len);
        }
        Ok(elements)
    }

    fn place(&self) -> Place {
        Place::of(self.context)
    }
}

impl<E: Element> Drop for Buffer<'_, E> {
    fn drop(&mut self) {
        // SAFETY: once, in the order of the context's stream, which every call here has waited for.
        unsafe {
            sys::scf_free(self.context.as_ptr(), self.data.cast(), self.context.stream());
        }
    }
}

/// Where a buffer's elements are, for calls that write some of them.
pub(crate) fn buffer_data<E: Element>(buffer: &Buffer<'_, E>) -> *mut E {
    buffer.data
}

/// Scratch memory of calls, which grows when it has to and is kept for the next one.
#[derive(Debug)]
pub struct Workspace<'c> {
    context: &'c Context,
    data: *mut c_void,
    bytes: usize,
}

impl<'c> Workspace<'c> {
    pub fn new(context: &'c Context) -> Self {
        Workspace { context, data: std::ptr::null_mut(), bytes: 0 }
    }
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    pub(crate) fn reserve(&mut self, context: &Context, bytes: usize) -> Result<*mut c_void> {
        if !std::ptr::eq(self.context, context) {
            return Err(Error::argument("the workspace must be of the same context"));
        }
        if bytes > self.bytes {
            let mut data = std::ptr::null_mut();
            // SAFETY: the old memory is given back where the new one is there.
            unsafe {
                let stream = context.stream();
                check(sys::scf_allocate(context.as_ptr(), bytes, stream, &mut data))?;
                sys::scf_free(context.as_ptr(), self.data, stream);
            }
            self.data = data;
            self.bytes = bytes;
        }
        Ok(self.data)
    }
}

impl Drop for Workspace<'_> {
    fn drop(&mut self) {
        // SAFETY: as for Buffer.
        unsafe {
            sys::scf_free(self.context.as_ptr(), self.data, self.context.stream());
        }
    }
}
